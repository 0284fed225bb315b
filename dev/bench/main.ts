import { RegenteError } from '../../domain/errors';
import { runAudienceBench } from './audience';
import { runControlBench } from './control';
import { runDispatchBench } from './dispatch';
import { runFairnessBench } from './fairness';
import { AUDIENCE_USAGE, readAudienceOptions } from './options/audience';
import { CONTROL_USAGE, readControlOptions } from './options/control';
import { DISPATCH_USAGE, readDispatchOptions } from './options/dispatch';
import { FAIRNESS_USAGE, readFairnessOptions } from './options/fairness';
import { readWebhooksOptions, WEBHOOKS_USAGE } from './options/webhooks';
import { runWebhooksBench } from './webhooks';

/*
 * npm run -s bench -- dispatch [options]
 * npm run -s bench -- audience [options]
 * npm run -s bench -- webhooks [options]
 * npm run -s bench -- fairness [options]
 * npm run -s bench -- control [options]
 * The result is on stdout with --json; everything else is on stderr.
 */
async function main([bench, ...args]: string[]): Promise<void> {
  if (args.includes('--help') || bench === '--help') {
    console.log(USAGES.get(bench ?? '') ?? USAGE);
    return;
  }
  switch (bench) {
    case 'dispatch': {
      const options = readDispatchOptions(args);
      const report = await runDispatchBench(options, options.json ? QUIET : { say, warn: say });
      if (options.json) console.log(JSON.stringify(report));
      return;
    }
    case 'audience': {
      const options = readAudienceOptions(args);
      const report = await runAudienceBench(options, options.json ? QUIET.say : say);
      if (options.json) console.log(JSON.stringify(report));
      return;
    }
    case 'fairness': {
      const options = readFairnessOptions(args);
      const report = await runFairnessBench(options, options.json ? QUIET.say : say);
      console.log(JSON.stringify(report));
      return;
    }
    case 'webhooks': {
      const options = readWebhooksOptions(args);
      const report = await runWebhooksBench(options, options.json ? QUIET.say : say);
      console.log(JSON.stringify(report));
      return;
    }
    case 'control': {
      const options = readControlOptions(args);
      const report = await runControlBench(options, options.json ? QUIET.say : say);
      console.log(JSON.stringify(report));
      return;
    }
    case undefined:
      throw new RegenteError('VALIDATION', USAGE);
    default:
      throw new RegenteError(
        'VALIDATION',
        `"${bench}" is no bench; there are ${[...USAGES.keys()].join(', ')}.\n${USAGE}`,
      );
  }
}

const USAGES = new Map([
  ['dispatch', DISPATCH_USAGE],
  ['audience', AUDIENCE_USAGE],
  ['webhooks', WEBHOOKS_USAGE],
  ['fairness', FAIRNESS_USAGE],
  ['control', CONTROL_USAGE],
]);
const USAGE = [...USAGES.values()].join('\n');

/** With --json only what the reader of the result must know. */
const QUIET = { say: (): void => {}, warn: say };

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

// Everything that the bench has started ends with it.
for (const [name, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(name, () => process.exit(128 + number));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  say(error instanceof RegenteError ? error.message : String(error));
  process.exit(error instanceof RegenteError && error.code === 'VALIDATION' ? 64 : 1);
});
