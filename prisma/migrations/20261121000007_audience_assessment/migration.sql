-- What the assessment of an audience with its campaign's message came to (domain/audience-assessment.ts):
-- people per missing variable, text messages per number of segments and per encoding.
ALTER TABLE audiences ADD COLUMN assessment jsonb NOT NULL DEFAULT '{}';
