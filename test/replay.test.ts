import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import type * as workflowTypes from '../workflows/index';
import { createLogger } from '../telemetry';
import { workflowBundle } from '../workers/bundle';
import { installRuntime } from '../workers/runtime';
import { bundleChanged, type Change } from './support/changed-workflows';
import { projectFiles, readProjectFile } from './support/project-files';

/** The ways through each type of workflow, recorded by dev/record-histories.ts. */
const WAYS: Record<keyof typeof workflowTypes, readonly string[]> = {
  campaignDispatch: ['whole', 'paused', 'cancelled', 'parked', 'continued', 'upgraded', 'told'],
  campaignLane: ['whole', 'paused', 'waited', 'parked', 'continued', 'stood-down'],
  noticeSend: ['whole'],
};

const FOLDER = 'test/histories/';
const histories = projectFiles(FOLDER.slice(0, -1)).map((path) => path.slice(FOLDER.length));
const read = (path: string): unknown => JSON.parse(readProjectFile(join(FOLDER, path)));

installRuntime(createLogger('silent', 'test'));
const replay = (code: string, path: string): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle: { code } }, read(path));

let code: string;
beforeAll(async () => {
  const bundle = await workflowBundle(installRuntime(createLogger('silent', 'test')));
  if (!('code' in bundle)) throw new Error('a built bundle may be older than the workflows');
  code = bundle.code;
});

test.each(histories)('a run recorded in %s survives the deploy of this version', async (path) => {
  await expect(replay(code, path)).resolves.toBeUndefined();
});

test('every way through every type of workflow has its history', () => {
  const wanted = Object.entries(WAYS).flatMap(([type, ways]) => {
    const folder = type.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return ways.map((way) => `${folder}/${way}`);
  });
  const recorded = new Set(histories.map((path) => path.replace(/\.\d+\.\d+\.\d+\.json$/, '')));
  expect([...recorded].toSorted()).toEqual(wanted.toSorted());
});

describe('a change that breaks running workflows is found out', () => {
  const changes: Record<string, Change & { history: RegExp }> = {
    'a timer that was not there': {
      history: /^campaign-dispatch\/whole/,
      file: 'campaign-dispatch.ts',
      before: 'await lanes.start(status.lanes);',
      after: 'await condition(() => false, 1_000); await lanes.start(status.lanes);',
    },
    'another id of a child': {
      history: /^campaign-dispatch\/paused/,
      file: 'campaign-lane.ts',
      before: '`campaign-lane:',
      after: '`lane:',
    },
    'an activity with another name': {
      history: /^campaign-lane\/whole/,
      file: 'campaign-lane.ts',
      before: 'delivery.dispatchLane.execute',
      after: '(delivery as any).dispatchTurn.execute',
    },
    'a wait that is gone': {
      history: /^campaign-lane\/waited/,
      file: 'campaign-lane.ts',
      before: "if (turn.kind === 'waiting')",
      after: 'if (false)',
    },
    'one activity more': {
      history: /^notice-send\/whole/,
      file: 'notice-send.ts',
      before: 'return outcome;',
      after: 'await sendNotice(input); return outcome;',
    },
  };

  test.each(Object.entries(changes))('%s', async (_name, { history, ...change }) => {
    const changed = await bundleChanged(change);
    const affected = histories.filter((path) => history.test(path));
    expect(affected).not.toEqual([]);
    for (const path of affected) {
      await expect(replay(changed, path)).rejects.toMatchObject({
        name: 'DeterminismViolationError',
      });
    }
  });

  test('and one that breaks nothing is not', async () => {
    const changed = await bundleChanged({
      file: 'campaign-dispatch.ts',
      before: "setCurrentDetails('Parked after an error.');",
      after: "setCurrentDetails('Waiting after an error.');",
    });
    await expect(replay(changed, histories[0]!)).resolves.toBeUndefined();
  });
});

describe('the bundle of the workflows', () => {
  /** The engine's own code and what it stands on, our workflows, and the domain without its schemas. */
  const ALLOWED =
    /^(?:\.\/node_modules\/(?:@temporalio\/(?:workflow|common)|nexus-rpc|ms|long)\/|(?:.*\/)?workflows\/[\w-]+\.ts$|\.\/domain\/[\w/-]+\.ts$|\?\w+$)/;
  const modulesOf = (bundle: string): string[] =>
    [...bundle.matchAll(/^\/\*{3}\/ "([^"]+)"/gm)].map(([, path = '']) => path);
  const strangersIn = (bundle: string): string[] =>
    modulesOf(bundle).filter((path) => !ALLOWED.test(path));

  test('holds workflows, pure domain code and the engine, and nothing else', () => {
    expect(modulesOf(code)).toContain('./workflows/campaign-dispatch.ts');
    expect(strangersIn(code)).toEqual([]);
  });

  const importing = (...sources: readonly string[]): Promise<string> =>
    bundleChanged({
      file: 'task-queues.ts',
      before: '/** Workflows',
      after: `${sources.map((from, i) => `export * as added${i} from '${from}';`).join('\n')}\n/** Workflows`,
    });

  test('is seen to hold what a workflow has no business with', async () => {
    const [vendor, schema] = ['providers/messaging/config-reader', 'domain/campaigns.schema'];
    const strangers = strangersIn(await importing('zod', 'luxon', `../${vendor}`, `../${schema}`));
    for (const name of ['node_modules/zod/', 'node_modules/luxon/', vendor, schema])
      expect(strangers).toContainEqual(expect.stringContaining(name));
  });

  test.each(['node:fs', 'pg', 'undici', '../prisma/client', '../providers/messaging/http'])(
    'cannot be made when a workflow imports %s',
    async (from) => {
      await expect(importing(from)).rejects.toThrow(/disallowed modules|Webpack finished/);
    },
  );
});

describe('the histories', () => {
  /** What workflows and activities were given and have answered, and all texts beside it. */
  function payloadsOf(value: unknown, found: { payloads: unknown[]; texts: string[] }): void {
    if (typeof value === 'string') found.texts.push(value);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      // The title of a workflow, which is the same for all of its type.
      if (key === 'userMetadata') continue;
      if (key === 'data' && typeof child === 'string')
        found.payloads.push(JSON.parse(Buffer.from(child, 'base64').toString('utf8')));
      else payloadsOf(child, found);
    }
  }
  /** The last form, like the keys `id` and `deprecated`, is the engine's own. */
  const HARMLESS =
    /^(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[a-z_]+|[A-Z]+|__sdk_internal_patch_number:\d+)$/;
  const KEYS =
    'companyId campaignId executionId tokenId lane fromSeq kind reason waitMs state lanes startsInMs outcome id deprecated';
  const MACHINE = /\d@(?!worker$)|\/(?:work|root|home|Users|tmp)\/|node_modules|\+55\d{10}/;

  test.each(histories)('hold ids and small values only (%s)', (path) => {
    const found = { payloads: [] as unknown[], texts: [] as string[] };
    payloadsOf(read(path), found);
    const words = [...JSON.stringify(found.payloads).matchAll(/"([^"]*)"(:?)/g)];
    expect(words.length).toBeGreaterThan(1);
    const odd = words.filter(([, word = '', colon]) =>
      colon === ':' ? !KEYS.split(' ').includes(word) : !HARMLESS.test(word),
    );
    expect(odd.map(([word]) => word)).toEqual([]);
    expect(found.texts.filter((text) => MACHINE.test(text))).toEqual([]);
  });
});
