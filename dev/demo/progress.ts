import type { CampaignView } from './campaign';

const WIDTH = 30;

/** A line that is drawn over on a terminal, and printed every now and then into a file. */
export function showProgress(isSilent: () => boolean): {
  update: (view: CampaignView) => void;
  done: () => void;
} {
  const out = process.stdout;
  let lastPrinted = '';
  return {
    update({ state, progress }) {
      if (isSilent()) return;
      const { counts, ratePerSecond, waiting } = progress;
      const done = counts.recipients - counts.waiting - counts.queued - counts.sending;
      const share = counts.recipients === 0 ? 0 : done / counts.recipients;
      const bar = '#'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '.');
      const why = waiting === null ? '' : `  waits: ${waiting.reason}`;
      const rate = ratePerSecond === null ? '' : `  ${Math.round(ratePerSecond)}/s`;
      const line = `${state.padEnd(10)} [${bar}] ${done}/${counts.recipients}${rate}${why}`;
      if (out.isTTY) out.write(`\r\u001b[K${line}`);
      else if (line !== lastPrinted) out.write(`${line}\n`);
      lastPrinted = line;
    },
    done() {
      if (!isSilent() && out.isTTY) out.write('\n');
    },
  };
}
