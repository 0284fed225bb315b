import { inventPerson, Noise, type InventedPerson } from './example-csv';

const PEOPLE = 960;
const SEED = 2026;
const MARK = '\ufeff';
const HEADER = 'nome;telefone;cpf_cnpj;idcob_contrato;valor;vencimento;mensagem';

type Row = [
  nome: string,
  telefone: string,
  cpf: string,
  contrato: string,
  valor: string,
  vencimento: string,
  mensagem: string,
];

/** One mobile as different people write it; none of these is a correction. */
const SPELLINGS: readonly [Spelling, ...Spelling[]] = [
  (area, local) => `${area}${local}`,
  (area, local) => `(${area}) ${local.slice(0, 5)}-${local.slice(5)}`,
  (area, local) => `${area} ${local.slice(0, 5)}-${local.slice(5)}`,
  (area, local) => `+55 ${area} ${local.slice(0, 5)} ${local.slice(5)}`,
  (area, local) => `+55${area}${local}`,
  (area, local) => `55${area}${local}`,
  (area, local) => `0055${area}${local}`,
  (area, local) => `0${area}${local}`,
  (area, local) => `0 15 ${area} ${local.slice(0, 5)}-${local.slice(5)}`,
  (area, local) => `(0${area}) ${local.slice(0, 1)} ${local.slice(1, 5)}-${local.slice(5)}`,
  (area, local) => `${area}.${local.slice(0, 5)}.${local.slice(5)}`,
];
type Spelling = (area: string, local: string) => string;

/** What is wrong with a phone, or with another cell; each appears a few times. */
const DAMAGES: ((row: Row, person: InventedPerson) => void)[] = [
  (row, { phone }) => (row[1] = `(${phone.slice(0, 2)}) 3${phone.slice(4, 7)}-${phone.slice(7)}`),
  (row, { phone }) => (row[1] = `98${phone.slice(4)}`),
  (row) => (row[1] = '5,51199E+12'),
  (row) => (row[1] = '5.51199E+12'),
  (row) => (row[1] = ''),
  (row) => (row[1] = 'não informado'),
  (row, { phone }) => (row[1] = `20${phone.slice(2)}`),
  (row, { phone }) => (row[1] = `${phone}12`),
  (row, { phone }) => (row[1] = `${phone.slice(0, 2)}1${phone.slice(3)}`),
  (row, { phone }) => (row[1] = `${phone} / ${phone.slice(0, 2)}33334444`),
  (row) => (row[1] = '0800 777 1234'),
  (row, { cpf }) => (row[2] = `${cpf.slice(0, 10)}${(Number(cpf[10]) + 1) % 10}`),
  (row) => (row[2] = '111.111.111-11'),
  (row) => (row[2] = '1,2345E+10'),
  (row) => (row[0] = `${row[0]} `.repeat(20)),
];

const MESSAGES = [
  'Olá, temos uma condição especial para você até sexta-feira.',
  'Seu acordo está quase lá! Responda "SIM" para receber o boleto.',
  'Bom dia!\nSua proposta vence amanhã.\nAtenciosamente, Cobrança Aurora',
  'Última chance: 40% de desconto; fale conosco.',
] as const;

/** The demo's files. Everything in them is invented, the companies too. */
export interface ExampleCampaign {
  /** `examples/campanha.csv`: UTF-8 with one row that is not. */
  campaign: Buffer;
  /** `examples/bloqueados.csv`: people of that campaign who must not be contacted. */
  blocked: Buffer;
}

/** Writes about a thousand people with every kind of bad row, corrections, duplicates and custom messages. */
export function exampleCampaign(): ExampleCampaign {
  const noise = new Noise(SEED);
  const people = Array.from({ length: PEOPLE }, (_, index) => inventPerson(index, SEED, noise));
  const lines = people.map((person, index) => csvLine(goodRow(person, index, noise)));
  const bad = DAMAGES.flatMap((damage, index) =>
    [0, 1].map((again) => {
      const person = inventPerson(PEOPLE + 2 * index + again, SEED, noise);
      const row = plainRow(person);
      damage(row, person);
      return csvLine(row);
    }),
  );
  const duplicates = people.slice(104, 116).map((person) => csvLine(plainRow(person)));
  for (const line of [...bad, ...duplicates, ...brokenLines(noise), '', ';;;;;;']) {
    lines.splice(120 + noise.below(lines.length - 120), 0, line);
  }
  const text = `${MARK}${HEADER}\n${lines.join('\n')}\n`;
  return { campaign: withOneLatin1Row(text, noise), blocked: blockedFile(people) };
}

function plainRow(person: InventedPerson): Row {
  const { nome, phone, cpf, contrato, valor, vencimento } = person;
  return [nome, phone, cpf, contrato, valor, vencimento, ''];
}

function goodRow(person: InventedPerson, index: number, noise: Noise): Row {
  const row = plainRow(person);
  row[1] = noise.pick(SPELLINGS)(person.phone.slice(0, 2), person.phone.slice(2));
  if (index % 3 === 0) row[2] = person.cpf.replace(/(...)(...)(...)(..)/, '$1.$2.$3-$4');
  if (index % 16 === 5) row[6] = noise.pick(MESSAGES);
  // Old mobiles of eight digits began with 6 to 9, so these get another number.
  if (index % 24 === 7) row[1] = `${person.phone.slice(0, 2)}9${person.phone.slice(4)}`;
  if (index % 120 === 30) row[1] = `${person.phone}.0`;
  if (index % 120 === 60) row[1] = `'${person.phone}`;
  if (index % 200 === 90) row[4] = '';
  if (index % 240 === 10) row[2] = '';
  const company = COMPANIES[index];
  if (company) [row[0], row[2]] = company;
  const abroad = ABROAD[index];
  if (abroad) row[1] = abroad;
  return row;
}

const COMPANIES: Readonly<Record<number, [nome: string, cnpj: string]>> = {
  40: ['Padaria Pão & Mel Ltda', '11.222.333/0001-81'],
  41: ['Oficina "Dois Irmãos" ME', '12.ABC.345/01DE-35'],
};
const ABROAD: Readonly<Record<number, string>> = {
  50: '+351 912 345 678',
  51: '00 351 912 345 679',
};

/** Lines that are no rows: too few columns, too many, a quote that is never closed, one that is closed too early. */
function brokenLines(noise: Noise): string[] {
  return [0, 1].flatMap((again) => {
    const [nome, telefone, cpf] = plainRow(inventPerson(PEOPLE + 100 + again, SEED, noise));
    return [
      `${nome};${telefone};${cpf}`,
      `${nome};${telefone};${cpf};CTR;1;2;3;sobra`,
      `"${nome};${telefone};${cpf};;;;`,
      `"${nome}" Filho;${telefone};${cpf};;;;`,
    ];
  });
}

function csvLine(row: Row): string {
  return row
    .map((cell) => (/[";\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(';');
}

/** One row as an old program wrote it, in Windows-1252. */
function withOneLatin1Row(text: string, noise: Noise): Buffer {
  const row = plainRow(inventPerson(PEOPLE + 200, SEED, noise));
  row[0] = 'Simão Falcão';
  const latin1 = Buffer.from(`${csvLine(row)}\n`, 'latin1');
  return Buffer.concat([Buffer.from(text), latin1]);
}

/** Ten by phone, three by document, two by both. */
function blockedFile(people: readonly InventedPerson[]): Buffer {
  const reasons = [
    'Pediu para não ser contatado',
    'Processo judicial',
    'Falecido',
    'Número errado',
  ] as const;
  const chosen = people.filter((_, index) => index % 60 === 59).slice(0, 15);
  const lines = chosen.map(({ phone, cpf }, index) => {
    const byPhone = index < 10 || index >= 13;
    return `${byPhone ? phone : ''};${index >= 10 ? cpf : ''};${reasons[index % reasons.length]}`;
  });
  return Buffer.from(`${MARK}telefone;cpf_cnpj;motivo\n${lines.join('\n')}\n`);
}
