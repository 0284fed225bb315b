import { resolveColumns, type ColumnMapping } from '../domain/audience-columns';
import type { Channel } from '../domain/channels';
import { RegenteError } from '../domain/errors';

const resolve = (headers: string[], channel: Channel = 'sms', mapping?: ColumnMapping) =>
  resolveColumns(headers, mapping ? { channel, mapping } : { channel });
const refusal = (run: () => unknown): RegenteError => {
  try {
    run();
  } catch (error) {
    if (error instanceof RegenteError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('columns', () => {
  test.each([
    [['TELEFONE', 'Nome', 'CPF'], { phone: 0, nome: 1, cpfCnpj: 2 }],
    [['  Celular ', 'Nome do Cliente', 'CPF/CNPJ'], { phone: 0, nome: 1, cpfCnpj: 2 }],
    [['Nº do Contrato', 'E-mail', 'Fone'], { idcobContrato: 0, email: 1, phone: 2 }],
    [['ID_COB_CONTRATO', 'WhatsApp'], { idcobContrato: 0, phone: 1 }],
    [['idcob_contrato', 'número', 'Mensagem'], { idcobContrato: 0, phone: 1, customMessage: 2 }],
    [['nome_cliente', 'DDD + Telefone'], { nome: 0, phone: 1 }],
    [['Razão Social', 'CNPJ', 'tel'], { nome: 0, cpfCnpj: 1, phone: 2 }],
  ])('understands %j', (headers, fields) => {
    expect(resolve(headers).fields).toEqual(fields);
  });

  test('prefers the mobile for SMS and the WhatsApp number for WhatsApp, and keeps the others as variables', () => {
    const headers = ['telefone', 'whatsapp', 'celular'];
    expect(resolve(headers).fields.phone).toBe(2);
    expect(resolve(headers, 'whatsapp').fields.phone).toBe(1);
    expect(resolve(headers).variables.map(({ name }) => name)).toEqual(['telefone', 'whatsapp']);
  });

  test('takes the leftmost of equal names and numbers the others', () => {
    const columns = resolve(['telefone', 'Telefone', 'valor', 'Valor', '', '']);
    expect(columns.fields.phone).toBe(0);
    expect(columns.variables).toEqual([
      { index: 1, name: 'telefone_2' },
      { index: 2, name: 'valor' },
      { index: 3, name: 'valor_2' },
      { index: 4, name: 'coluna_5' },
      { index: 5, name: 'coluna_6' },
    ]);
  });

  test('follows an explicit mapping in any spelling and still gives the column its own name', () => {
    const columns = resolve(['Quem', 'Onde ligar', 'telefone'], 'sms', {
      phone: 'onde_LIGAR',
      nome: 'Quem',
    });
    expect(columns.fields).toEqual({ phone: 1, nome: 0 });
    expect(columns.variables.map(({ name }) => name)).toEqual(['quem', 'onde_ligar', 'telefone']);
  });

  test('says which mapped column is not there, or is mapped twice', () => {
    const missing = refusal(() => resolve(['telefone'], 'sms', { nome: 'Cliente X' }));
    expect(missing.code).toBe('VALIDATION');
    expect(missing.fields[0]?.pointer).toBe('/query/map[nome]');
    expect(missing.details).toEqual({ columns: ['telefone'] });
    const twice = refusal(() =>
      resolve(['telefone'], 'sms', { phone: 'telefone', nome: 'telefone' }),
    );
    expect(twice.fields[0]?.pointer).toBe('/query/map[nome]');
  });

  test('lists the columns seen when none holds the address of the channel', () => {
    const error = refusal(() => resolve(['nome', 'cpf', 'telefone'], 'email'));
    expect(error.code).toBe('VALIDATION');
    expect(error.message).toContain('"nome", "cpf", "telefone"');
  });

  test.each([[['Ana', '11987654321']], [['(11) 98765-4321']], [['Ana', 'ana@exemplo.com.br']]])(
    'asks for a header when the first line is data: %j',
    (cells) => {
      expect(refusal(() => resolve(cells)).message).toContain('first line looks like data');
    },
  );

  test('refuses hundreds of columns', () => {
    expect(refusal(() => resolve(Array.from({ length: 201 }, (_, i) => `c${i}`))).code).toBe(
      'VALIDATION',
    );
  });
});
