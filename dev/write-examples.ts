import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleCampaign } from './demo/example-campaign';

/** Writes `examples/` anew; a test holds the committed files against the generator. */
const folder = join(__dirname, '..', 'examples');
const { campaign, blocked } = exampleCampaign();
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'campanha.csv'), campaign);
writeFileSync(join(folder, 'bloqueados.csv'), blocked);
