import { completeCpf } from '../../domain/documents';

/** Repeatable noise: the same seed gives the same people on every machine. */
export class Noise {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }
}

export interface InventedPerson {
  nome: string;
  /** National digits with area code, eleven of them. */
  phone: string;
  cpf: string;
  contrato: string;
  /** As a Brazilian spreadsheet writes it. */
  valor: string;
  vencimento: string;
}

const FIRST_NAMES = [
  'Ana',
  'Antônio',
  'Beatriz',
  'Bruno',
  'Camila',
  'Carlos',
  'Cecília',
  'Cláudio',
  'Débora',
  'Diego',
  'Eduardo',
  'Elisângela',
  'Fábio',
  'Fernanda',
  'Flávia',
  'Francisca',
  'Gabriel',
  'Geovana',
  'Gustavo',
  'Helena',
  'Inês',
  'Iara',
  'João',
  'José',
  'Joana',
  'Júlia',
  'Larissa',
  'Leandro',
  'Letícia',
  'Lúcia',
  'Luís',
  'Marcelo',
  'Márcia',
  'Maria',
  'Mônica',
  'Natália',
  'Otávio',
  'Patrícia',
  'Paulo',
  'Rafael',
  'Raquel',
  'Renata',
  'Rodrigo',
  'Sebastião',
  'Sílvia',
  'Sônia',
  'Thaís',
  'Tiago',
  'Vânia',
  'Verônica',
  'Vinícius',
  'Yara',
  'Zuleica',
] as const;
const SURNAMES = [
  'Almeida',
  'Alves',
  'Andrade',
  'Araújo',
  'Assunção',
  'Barbosa',
  'Batista',
  'Borges',
  'Brandão',
  'Cardoso',
  'Carvalho',
  'Conceição',
  'Correia',
  'Costa',
  'Dias',
  'Falcão',
  'Fernandes',
  'Ferreira',
  'Freitas',
  'Galvão',
  'Gonçalves',
  'Guimarães',
  'Leão',
  'Lima',
  'Lopes',
  'Magalhães',
  'Martins',
  'Melo',
  'Mendonça',
  'Monteiro',
  'Moraes',
  'Nascimento',
  'Oliveira',
  'Patrício',
  'Pereira',
  'Queirós',
  'Ribeiro',
  'Rocha',
  'Rodrigues',
  'Salomão',
  'Santos',
  'Silva',
  'Simões',
  'Souza',
  'Teixeira',
  'Valença',
  'Vieira',
  'Xavier',
] as const;
const PARTICLES = ['', '', 'de '] as const;
const AREA_CODES = (
  '11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55 61 62 63 64 ' +
  '65 66 67 68 69 71 73 74 75 77 79 81 82 83 84 85 86 87 88 89 91 92 93 94 95 96 97 98 99'
).split(' ');

/** Numbers of one area: from 90000-0000 to 90099-9999. */
const PER_AREA = 1_000_000;
/** Prime, so that steps of this size visit every number once before one comes again. */
const STEP = 400_000_009;

/** A phone that no other index below 20 million has. Nobody should be called there: the demo sends to a stand-in. */
export function inventedPhone(index: number, seed: number): string {
  const place = (index * STEP + (seed % 1000) * 7919) % (AREA_CODES.length * PER_AREA);
  const area = AREA_CODES[Math.floor(place / PER_AREA)] ?? '11';
  return `${area}900${String(place % PER_AREA).padStart(6, '0')}`;
}

/** @param noise of the whole file; `index` alone decides the phone and the contract */
export function inventPerson(index: number, seed: number, noise: Noise): InventedPerson {
  const nome = `${noise.pick(FIRST_NAMES)} ${noise.pick(PARTICLES)}${noise.pick(SURNAMES)} ${noise.pick(SURNAMES)}`;
  const day = String(1 + noise.below(28)).padStart(2, '0');
  const reais = 30 + noise.below(4_000);
  const thousands = reais >= 1000 ? `${Math.floor(reais / 1000)}.` : '';
  const rest = reais >= 1000 ? String(reais % 1000).padStart(3, '0') : String(reais);
  return {
    nome,
    phone: inventedPhone(index, seed),
    cpf: completeCpf(String(100_000_000 + noise.below(899_999_999))),
    contrato: `CTR-${String(100_000 + index)}`,
    valor: `R$ ${thousands}${rest},${String(noise.below(100)).padStart(2, '0')}`,
    vencimento: `${day}/12/2026`,
  };
}

/**
 * A CSV of `count` people with valid, different mobile numbers (up to 10 million), in chunks for a stream.
 * The same seed gives the same file.
 */
export function* generateAudience(count: number, seed: number): Generator<string> {
  const noise = new Noise(seed);
  let chunk = 'nome;telefone;cpf_cnpj;idcob_contrato;valor;vencimento\n';
  for (let index = 0; index < count; index++) {
    const { nome, phone, cpf, contrato, valor, vencimento } = inventPerson(index, seed, noise);
    chunk += `${nome};${phone};${cpf};${contrato};${valor};${vencimento}\n`;
    if (chunk.length < 32_768) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}
