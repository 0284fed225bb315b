import { RegenteError } from './errors';

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
  /** The campaign is edited before it has begun: this execution ends as if it had never been opened. */
  | 'withdraw'
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
  withdraw: { from: ['PENDING'], to: 'CANCELLED' },
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

/** Nothing more is sent, ever; settles and delivery events are still written down. */
export const TERMINAL_STATES = ['FINISHED', 'FAILED', 'CANCELLED'] as const;

export const isTerminal = (state: CampaignState | ExecutionState): boolean =>
  TERMINAL_STATES.some((terminal) => terminal === state);

/** What the campaign shows while its execution is in this state. */
export function campaignStateOf(state: ExecutionState): CampaignState {
  return state === 'PENDING' ? 'APPROVED' : state;
}

/** Everything that the API lets people do to a campaign. */
export const CAMPAIGN_VERBS = [
  'edit',
  'delete',
  'submit',
  'approve',
  'reject',
  'pause',
  'resume',
  'cancel',
  'retry-failed',
  'resolve-unknown',
  /** To people in `unknown`. */
  'send-again',
  'clone',
  'test-send',
] as const;
export type CampaignVerb = (typeof CAMPAIGN_VERBS)[number];

const fromExecution = (verb: ExecutionVerb): CampaignState[] =>
  EXECUTION_TRANSITIONS[verb].from.map(campaignStateOf);

const ALLOWED_FROM: Readonly<Record<CampaignVerb, readonly CampaignState[]>> = {
  edit: ['DRAFT', 'PENDING_APPROVAL', 'APPROVED'],
  delete: ['DRAFT'],
  submit: DRAFT_TRANSITIONS.submit.from,
  approve: DRAFT_TRANSITIONS.approve.from,
  reject: DRAFT_TRANSITIONS.reject.from,
  // Asked again while PAUSING, it waits for the same pause; once that is over, it answers what that has come to.
  pause: [...fromExecution('pause'), 'PAUSING', 'PAUSED'],
  resume: fromExecution('resume'),
  cancel: fromExecution('cancel'),
  'retry-failed': TERMINAL_STATES,
  'resolve-unknown': CAMPAIGN_STATES.filter(
    (state) => !['DRAFT', 'PENDING_APPROVAL'].includes(state),
  ),
  'send-again': ['PROCESSING', 'PAUSING', 'PAUSED', ...TERMINAL_STATES],
  clone: CAMPAIGN_STATES,
  'test-send': CAMPAIGN_STATES,
};

export const allowedFrom = (verb: CampaignVerb): readonly CampaignState[] => ALLOWED_FROM[verb];

/** Throws CONFLICT with the states from which the verb is allowed. */
export function requireAllowed(verb: CampaignVerb, state: CampaignState): void {
  const states = ALLOWED_FROM[verb];
  if (!states.includes(state)) throw notAllowed(verb, state, states);
}

/** The refusal of a verb; `details` tell programs what the message tells people. */
export function notAllowed(
  verb: CampaignVerb | ExecutionVerb,
  state: CampaignState,
  states: readonly CampaignState[],
): RegenteError {
  return new RegenteError(
    'CONFLICT',
    `"${verb}" is possible in ${states.join(', ')}; the campaign is ${state}.`,
    { details: { state, allowedFrom: states } },
  );
}

/** Why a campaign that has been submitted sends nothing at this moment. */
export const WAIT_REASONS = [
  'approval',
  'schedule',
  'send_window',
  'quiet_hours',
  'frequency_cap',
  'paused',
  'budget_exhausted',
  'budget_contention',
  'rate_limit',
  'throttle',
  'provider_down',
  'reconcile',
  'internal_error',
] as const;
export type WaitReason = (typeof WAIT_REASONS)[number];
