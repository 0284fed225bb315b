import { parse } from 'yaml';
import { CAMPAIGN_STATES } from '../domain/campaigns';
import { MESSAGE_STATES } from '../domain/communications';
import { installationRegistry, registry } from '../telemetry/metrics';
import { stopReason } from '../telemetry/reasons';
import { BUDGET_LEVELS } from '../telemetry/scrape';
import { CORE_QUEUE, DELIVERY_QUEUE } from '../workflows/task-queues';
import { FOREIGN_LABELS } from './support/foreign-metrics';
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

/** By name; a histogram is asked for by its parts. */
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
for (const [name, labels] of Object.entries({ up: [], ...FOREIGN_LABELS }))
  labelsOf.set(name, labels);
/** With those of a scrape, and of a histogram's parts. */
const everyLabelOf = (name: string): string[] => [
  ...(labelsOf.get(name) ?? []),
  'job',
  'instance',
  ...(name.endsWith('_bucket') ? ['le'] : []),
];

const { scrape_configs: jobs } = parse(readProjectFile('deploy/prometheus/prometheus.yml')) as {
  scrape_configs: { job_name: string }[];
};
const isOneOf =
  (...values: readonly string[]) =>
  (value: string): boolean =>
    values.includes(value);
/** Whether a label can have this value, as the code has it; for routes any may be asked for. */
const CAN_BE: Readonly<Record<string, (value: string) => boolean>> = {
  job: isOneOf(...jobs.map(({ job_name: name }) => name), 'regente-.*'),
  route: () => true,
  'regente_executions state': isOneOf('PENDING', ...CAMPAIGN_STATES),
  'regente_executions reason': (value) => stopReason(value) === value,
  'regente_messages_total state': isOneOf(...MESSAGE_STATES),
  'regente_notices_total state': isOneOf(...MESSAGE_STATES),
  'regente_budgets level': isOneOf(...BUDGET_LEVELS),
  'regente_http_request_duration_seconds_count status': isOneOf('2xx', '3xx', '4xx', '5xx'),
  'temporal_worker_task_slots_available task_queue': isOneOf(CORE_QUEUE, DELIVERY_QUEUE),
  'temporal_worker_task_slots_available worker_type': isOneOf('ActivityWorker'),
};

const namesIn = (expr: string): string[] => {
  const bare = expr
    .replaceAll(/"[^"]*"/g, '""')
    .replaceAll(/\{[^}]*\}|\b(?:by|on) ?\([^)]*\)/g, '');
  return [...bare.matchAll(/\b(?:regente|temporal|process|nodejs)_\w+|\bup\b/g)].map(
    ([name]) => name,
  );
};

test.each(expressions)('%s asks for figures, labels and values that there are', (_, expr) => {
  const names = namesIn(expr);
  expect(names).not.toEqual([]);
  for (const name of names) expect([...labelsOf.keys()]).toContain(name);
  for (const [, name = '', selector = ''] of expr.matchAll(/(\w+)\{([^}]*)\}/g)) {
    for (const [, label = '', operator, text = ''] of selector.matchAll(
      /(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g,
    )) {
      expect([name, everyLabelOf(name)]).toEqual([name, expect.arrayContaining([label])]);
      const canBe = CAN_BE[`${name} ${label}`] ?? CAN_BE[label];
      const values = operator?.endsWith('~') ? text.split('|') : [text];
      for (const value of values)
        expect([label, value, canBe?.(value)]).toEqual([label, value, true]);
    }
  }
  for (const [, labels = ''] of expr.matchAll(/\bby ?\(([^)]*)\)/g)) {
    for (const label of labels.split(/,\s*/))
      for (const name of names)
        expect([name, everyLabelOf(name)]).toEqual([name, expect.arrayContaining([label])]);
  }
});

test('the words of an alert name labels that it keeps', () => {
  for (const { alert, expr, annotations } of rules) {
    const kept = [...expr.matchAll(/\bby ?\(([^)]*)\)/g)].flatMap(([, labels = '']) =>
      labels.split(/,\s*/),
    );
    const isWhole = !/\b(?:sum|min|max|absent|histogram_quantile)\b/.test(expr);
    for (const [, label = ''] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
      expect([
        alert,
        label,
        kept.includes(label) ||
          (isWhole && namesIn(expr).every((name) => everyLabelOf(name).includes(label))),
      ]).toEqual([alert, label, true]);
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
