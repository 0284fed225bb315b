import { parse } from 'yaml';
import { installationRegistry, registry } from '../telemetry/metrics';
import { readProjectFile } from './support/project-files';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; runbook: string };
}

interface Panel {
  title: string;
  type: string;
  targets?: { expr: string }[];
}

const { groups } = parse(readProjectFile('deploy/prometheus/alerts.yml')) as {
  groups: { rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const { panels } = JSON.parse(readProjectFile('deploy/grafana/regente.json')) as {
  panels: Panel[];
};
const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
];

/** By name; a histogram is asked for by its parts. The labels of `le` and of the scrape itself come on top. */
const metrics = [registry, installationRegistry].flatMap((each) =>
  each.getMetricsAsArray(),
) as unknown as {
  name: string;
  help: string;
  type: string;
  labelNames: string[];
}[];
const labelsOf = new Map<string, readonly string[]>(
  metrics.flatMap(({ name, type, labelNames }) =>
    type === 'histogram'
      ? ['_bucket', '_sum', '_count'].map((part): [string, string[]] => [name + part, labelNames])
      : [[name, labelNames] as [string, string[]]],
  ),
);
/** What Prometheus, Node and the engine's client answer, as far as it is asked for; test/operations.test.ts sees them. */
const FOREIGN = [
  'up',
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_eventloop_lag_p99_seconds',
  'temporal_worker_task_slots_available',
  'temporal_activity_schedule_to_start_latency_seconds_bucket',
  'temporal_activity_execution_failed_total',
  // Only after the first one.
  'temporal_workflow_task_execution_failed_total',
];

const namesIn = (expr: string): string[] =>
  [...expr.matchAll(/\b(?:regente|temporal|process|nodejs)_\w+|\bup\b/g)].map(([name]) => name);

test.each(expressions)('%s asks for figures and labels that there are', (_, expr) => {
  const names = namesIn(expr.replaceAll(/"[^"]*"/g, '""').replaceAll(/\{[^}]*\}/g, ''));
  expect(names).not.toEqual([]);
  for (const name of names) expect([...labelsOf.keys(), ...FOREIGN]).toContain(name);
  for (const [, name = '', selector = ''] of expr.matchAll(/\b(regente_\w+)\{([^}]*)\}/g)) {
    for (const [, label] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
      expect([name, labelsOf.get(name)]).toEqual([name, expect.arrayContaining([label])]);
  }
});

test('every figure of ours is on the dashboard', () => {
  const shown = new Set(
    panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namesIn(expr))),
  );
  const missing = metrics.filter(({ name }) => ![...shown].some((each) => each.startsWith(name)));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test('every alert has its entry in the runbook, and every entry its alert', () => {
  const runbook = readProjectFile('docs/runbook.md');
  const entries = runbook.split(/^## /m).slice(1);
  const titles = entries.map((entry) => entry.split('\n')[0]);
  expect(titles).toEqual(rules.map(({ alert }) => alert));
  for (const { alert, annotations } of rules)
    expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  for (const entry of entries) {
    for (const part of ['**Means:**', '**Look at:**', '**Do:**'])
      expect([entry.split('\n')[0], entry.includes(part)]).toEqual([entry.split('\n')[0], true]);
  }
});

test('alerts have a name once, a severity and words', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { alert, labels, annotations } of rules) {
    expect(alert).toMatch(/^Regente[A-Z]\w+$/);
    expect(['critical', 'warning', 'info']).toContain(labels.severity);
    expect(annotations.summary.length).toBeGreaterThan(10);
  }
});

test('the lines of the log that the runbook names are written by the code', () => {
  const code = [
    'activities/dispatch/call.ts',
    'activities/dispatch/assess.ts',
    'activities/dispatch/lane-turn.ts',
    'activities/dispatch/lane-runner.ts',
    'activities/notices.ts',
    'api/errors.ts',
    'api/relay.ts',
    'workers/connect.ts',
    'workers/loops.ts',
  ].map(readProjectFile);
  const runbook = readProjectFile('docs/runbook.md');
  const lines = [...runbook.matchAll(/log lines? `([^`]+)`|logs `([^`]+)`/g)].map(
    ([, one, other]) => one ?? other ?? '',
  );
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines)
    expect([line, code.some((text) => text.includes(`'${line}'`))]).toEqual([line, true]);
});

test('docs/operations.md lists every figure with its labels and meaning', () => {
  const page = readProjectFile('docs/operations.md');
  const rows = [
    ...page.matchAll(/^\| `(regente_\w+)` *\| *(\w+) *\| *(.*?) *\| *(.*?) *\|$/gm),
  ].map(([, ...cells]) => cells);
  expect(rows).toEqual(
    metrics.map(({ name, type, labelNames, help }) => [
      name,
      type,
      labelNames.map((label) => `\`${label}\``).join(', '),
      help,
    ]),
  );
});

test('figures are named as Prometheus asks for', () => {
  for (const { name, type } of metrics) {
    expect(name).toMatch(/^regente_[a-z_]+$/);
    expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
    if (type === 'histogram') expect(name).toMatch(/_seconds$/);
  }
});
