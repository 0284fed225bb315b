/** States of a campaign; from APPROVED on they are those of its latest execution. */
export const CAMPAIGN_STATES = [
  'DRAFT',
  'PENDING_APPROVAL',
  'APPROVED',
  'PROCESSING',
  'PAUSING',
  'PAUSED',
  'CANCELLING',
  'CANCELLED',
  'FAILING',
  'FAILED',
  'FINISHED',
] as const;
export type CampaignState = (typeof CAMPAIGN_STATES)[number];

export type ExecutionState =
  | Exclude<CampaignState, 'DRAFT' | 'PENDING_APPROVAL' | 'APPROVED'>
  | 'PENDING';

/** What people do to a campaign before it runs. */
export type DraftVerb = 'submit' | 'approve' | 'reject';
/** What people and the dispatch do to an execution. */
export type ExecutionVerb =
  | 'start'
  | 'pause'
  | 'paused'
  | 'resume'
  | 'cancel'
  | 'cancelled'
  | 'fail'
  | 'failed'
  | 'finish';

interface Transition<S> {
  from: readonly S[];
  to: S;
}

const DRAFT_TRANSITIONS: Readonly<Record<DraftVerb, Transition<CampaignState>>> = {
  submit: { from: ['DRAFT'], to: 'PENDING_APPROVAL' },
  approve: { from: ['PENDING_APPROVAL'], to: 'APPROVED' },
  reject: { from: ['PENDING_APPROVAL'], to: 'DRAFT' },
};

const EXECUTION_TRANSITIONS: Readonly<Record<ExecutionVerb, Transition<ExecutionState>>> = {
  start: { from: ['PENDING'], to: 'PROCESSING' },
  pause: { from: ['PENDING', 'PROCESSING'], to: 'PAUSING' },
  paused: { from: ['PAUSING'], to: 'PAUSED' },
  resume: { from: ['PAUSED'], to: 'PROCESSING' },
  cancel: { from: ['PENDING', 'PROCESSING', 'PAUSING', 'PAUSED'], to: 'CANCELLING' },
  cancelled: { from: ['CANCELLING'], to: 'CANCELLED' },
  fail: { from: ['PENDING', 'PROCESSING', 'PAUSING', 'PAUSED'], to: 'FAILING' },
  failed: { from: ['FAILING'], to: 'FAILED' },
  finish: { from: ['PROCESSING'], to: 'FINISHED' },
};

export const draftTransition = (verb: DraftVerb): Transition<CampaignState> =>
  DRAFT_TRANSITIONS[verb];
export const executionTransition = (verb: ExecutionVerb): Transition<ExecutionState> =>
  EXECUTION_TRANSITIONS[verb];

const TERMINAL: ReadonlySet<string> = new Set(['FINISHED', 'FAILED', 'CANCELLED']);

/** Nothing more is sent, ever; settles and delivery events are still written down. */
export const isTerminal = (state: CampaignState | ExecutionState): boolean => TERMINAL.has(state);

/** What the campaign shows while its execution is in this state. */
export function campaignStateOf(state: ExecutionState): CampaignState {
  return state === 'PENDING' ? 'APPROVED' : state;
}

/** Content, audience and schedule may be changed; in any other state only after the approval is dropped or never. */
export const isEditable = (state: CampaignState): boolean =>
  state === 'DRAFT' || state === 'PENDING_APPROVAL' || state === 'APPROVED';

/** Why an approved campaign is not sending at this moment; `null` while it sends. */
export const WAIT_REASONS = [
  'approval',
  'schedule',
  'send_window',
  'frequency_cap',
  'paused',
  'budget_exhausted',
  'budget_contention',
  'rate_limit',
  'throttle',
  'provider_down',
  'reconcile',
] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];
