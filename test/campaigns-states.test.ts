import { checkSettings, throttleOf, timeProblems } from '../domain/campaign-settings';
import {
  allowedFrom,
  CAMPAIGN_STATES,
  CAMPAIGN_VERBS,
  campaignStateOf,
  executionTransition,
  isTerminal,
  requireAllowed,
  type CampaignState,
  type CampaignVerb,
  type ExecutionVerb,
} from '../domain/campaigns';
import type { FieldError, RegenteError } from '../domain/errors';

/** The whole table once more, written down by hand. */
const ALLOWED: Record<CampaignVerb, CampaignState[]> = {
  edit: ['DRAFT', 'PENDING_APPROVAL', 'APPROVED'],
  delete: ['DRAFT'],
  submit: ['DRAFT'],
  approve: ['PENDING_APPROVAL'],
  reject: ['PENDING_APPROVAL'],
  pause: ['APPROVED', 'PROCESSING', 'PAUSING', 'PAUSED'],
  resume: ['PAUSED'],
  cancel: ['APPROVED', 'PROCESSING', 'PAUSING', 'PAUSED'],
  'retry-failed': ['FINISHED', 'FAILED', 'CANCELLED'],
  'resolve-unknown': CAMPAIGN_STATES.slice(2),
  'send-again': ['PROCESSING', 'PAUSING', 'PAUSED', 'FINISHED', 'FAILED', 'CANCELLED'],
  clone: [...CAMPAIGN_STATES],
  'test-send': [...CAMPAIGN_STATES],
};

describe.each(CAMPAIGN_VERBS)('%s', (verb) => {
  test('is allowed from exactly the states that the table names', () => {
    expect(allowedFrom(verb)).toEqual(ALLOWED[verb]);
    for (const state of CAMPAIGN_STATES) {
      const attempt = (): void => requireAllowed(verb, state);
      if (ALLOWED[verb].includes(state)) expect(attempt).not.toThrow();
      else
        expect(attempt).toThrow(
          expect.objectContaining({
            code: 'CONFLICT',
            details: { state, allowedFrom: ALLOWED[verb] },
          }),
        );
    }
  });
});

describe('an execution', () => {
  const VERBS: ExecutionVerb[] = [
    'start',
    'withdraw',
    'pause',
    'paused',
    'resume',
    'cancel',
    'cancelled',
    'fail',
    'failed',
    'finish',
  ];

  test('never leaves an end', () => {
    for (const verb of VERBS)
      expect(executionTransition(verb).from.filter((state) => isTerminal(state))).toEqual([]);
  });

  test('reaches its ends only through the states that settle everybody, or unsent', () => {
    const ways = VERBS.map(executionTransition).filter(({ to }) => isTerminal(to));
    expect(ways).toEqual([
      { from: ['PENDING'], to: 'CANCELLED' },
      { from: ['CANCELLING'], to: 'CANCELLED' },
      { from: ['FAILING'], to: 'FAILED' },
      { from: ['PROCESSING'], to: 'FINISHED' },
    ]);
  });

  test('is paused only after it was pausing, and resumed only once it is paused', () => {
    expect(VERBS.filter((verb) => executionTransition(verb).to === 'PAUSED')).toEqual(['paused']);
    expect(executionTransition('paused').from).toEqual(['PAUSING']);
    expect(executionTransition('resume').from).toEqual(['PAUSED']);
  });

  test('shows as APPROVED until it begins', () => {
    expect(campaignStateOf('PENDING')).toBe('APPROVED');
    expect(campaignStateOf('PROCESSING')).toBe('PROCESSING');
  });
});

describe('the fields of a campaign', () => {
  const settings = {
    throttlingType: 'none' as const,
    throttlingConfig: null,
    scheduledAt: null,
    sendUntil: null,
    sendWindow: null,
  };
  const refused = (fields: object): string[] => {
    try {
      checkSettings({ ...settings, ...fields });
    } catch (error) {
      return (error as RegenteError).fields.map(({ pointer }: FieldError) => pointer);
    }
    return [];
  };

  test.each([
    ['nothing special', {}, []],
    ['fixed without a delay', { throttlingType: 'fixed' }, ['/throttlingConfig/delayLimit']],
    ['fixed with one', { throttlingType: 'fixed', throttlingConfig: { delayLimit: 2 } }, []],
    [
      'random without its bounds',
      { throttlingType: 'random', throttlingConfig: {} },
      ['/throttlingConfig/delayLimit', '/throttlingConfig/maxRandom'],
    ],
    [
      'random with maxRandom below delayLimit',
      { throttlingType: 'random', throttlingConfig: { delayLimit: 120, maxRandom: 60 } },
      ['/throttlingConfig/maxRandom'],
    ],
    [
      'random as the seed has it',
      { throttlingType: 'random', throttlingConfig: { delayLimit: 120, maxRandom: 300 } },
      [],
    ],
    [
      'an end before its beginning',
      { scheduledAt: new Date(2_000), sendUntil: new Date(1_000) },
      ['/sendUntil'],
    ],
    [
      'a day twice',
      { sendWindow: { days: [1, 1], start: '08:00', end: '20:00' } },
      ['/sendWindow/days'],
    ],
  ])('%s', (_, fields, pointers) => expect(refused(fields)).toEqual(pointers));

  test('become a pace in milliseconds', () => {
    expect(throttleOf('none', null)).toEqual({ type: 'none' });
    expect(throttleOf('fixed', { delayLimit: 1.5 })).toEqual({ type: 'fixed', delayMs: 1_500 });
    expect(throttleOf('random', { delayLimit: 1, maxRandom: 3 })).toEqual({
      type: 'random',
      minDelayMs: 1_000,
      maxDelayMs: 3_000,
    });
  });

  const NOW = Date.parse('2026-11-21T15:00:00Z'); // noon on a Saturday in São Paulo
  const times = {
    scheduledAt: null,
    sendUntil: null,
    sendWindow: null,
    quietHours: null,
    timeZones: ['America/Sao_Paulo'],
  };
  const weekdays = { days: [1, 2, 3, 4, 5], start: '08:00', end: '20:00' };
  test.each([
    ['any time', {}, []],
    ['a deadline that has passed', { sendUntil: new Date(NOW - 1) }, ['/sendUntil']],
    ['a window that opens later', { sendWindow: weekdays }, []],
    [
      'a window that opens after the deadline',
      { sendWindow: weekdays, sendUntil: new Date(NOW + 24 * 3_600_000) },
      ['/sendWindow'],
    ],
    [
      'a window inside the quiet hours',
      {
        sendWindow: { days: [1], start: '22:00', end: '23:00' },
        quietHours: { start: '21:00', end: '08:00' },
      },
      ['/sendWindow'],
    ],
    [
      'a window that is open at the scheduled time only',
      {
        sendWindow: weekdays,
        scheduledAt: new Date('2026-11-23T12:00:00Z'),
        sendUntil: new Date('2026-11-23T13:00:00Z'),
      },
      [],
    ],
  ])('can be kept with %s, or say why not', (_, fields, pointers) => {
    const problems = timeProblems({ ...times, ...fields }, NOW);
    expect(problems.map(({ pointer }) => pointer)).toEqual(pointers);
  });
});
