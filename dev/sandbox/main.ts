import { parseArgs } from 'node:util';
import { startSandbox } from './index';
import type { SettingsPatch } from './settings';

/*
 * The sandbox as a process of its own:
 *   tsx dev/sandbox/main.ts [--port N] [--token T]… [--settings JSON] [--until-stdin-ends]
 * Prints one line, {"url", "port", "pid"}, once it listens.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      token: { type: 'string', multiple: true },
      settings: { type: 'string', default: '{}' },
      'until-stdin-ends': { type: 'boolean', default: false },
    },
  });
  const sandbox = await startSandbox({
    ...(JSON.parse(values.settings) as SettingsPatch),
    port: Number(values.port),
    ...(values.token === undefined ? {} : { tokens: values.token }),
  });
  const stop = (): void => void sandbox.stop().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  if (values['until-stdin-ends']) process.stdin.resume().once('end', stop);
  console.log(JSON.stringify({ url: sandbox.url, port: sandbox.port, pid: process.pid }));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
