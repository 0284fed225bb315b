import {
  parseTemplate,
  placeholderProblem,
  renderParts,
  templateParameters,
  templateVariables,
} from '../domain/template-syntax';

const values: Record<string, string> = {
  nome: 'Ana',
  valor_da_divida: 'R$ 10,00',
  contrato: '{{nome}}',
  vazio: '  ',
};
const lookup = (name: string) => values[name];
const render = (text: string, numbered?: Record<string, string>) =>
  renderParts(parseTemplate(text, numbered), lookup);

describe('message templates', () => {
  test.each([
    ['Olá {{nome}}!', 'Olá Ana!'],
    ['{{ NOME }}{{Nome}}', 'AnaAna'],
    [
      '{{Valor da Dívida}} / {{valor_da_divida}} / {{ VALOR-DA-DIVIDA }}',
      'R$ 10,00 / R$ 10,00 / R$ 10,00',
    ],
    ['sem variáveis', 'sem variáveis'],
    ['', ''],
  ])('renders %s', (text, expected) => {
    expect(render(text)).toEqual({ ok: true, text: expected });
  });

  test.each([
    '{{nome',
    'nome}}',
    '{nome}',
    '{{}}',
    '{{ }}',
    '{{ - }}',
    '} {{',
    '{{no{me}}',
    '{{no\nme}}',
  ])('leaves unbalanced or empty braces as they are: %j', (text) => {
    expect(render(text)).toEqual({ ok: true, text });
  });

  test.each([
    ['Oi {{nome, pague {{valor}', 4, 'never closed'],
    ['Oi {{nome}', 4, 'never closed'],
    ['{{a}} e nome}}', 13, 'never opened'],
    ['a {{}}', 3, 'names nothing'],
    ['a {{ - }}', 3, 'names nothing'],
    ['{{{{nome}}}}', 1, 'never closed'],
    ['{{no\nme}}', 1, 'never closed'],
  ])('says where the placeholder of %j is broken', (text, character, what) => {
    const problem = placeholderProblem(text);
    expect(problem).toContain(`at character ${character} that`);
    expect(problem).toContain(what);
  });

  test.each(['{nome}', 'a } {', '{{{nome}}}', '{{ Nome do Cliente }}{{1}}', ''])(
    'finds nothing wrong with %j',
    (text) => expect(placeholderProblem(text)).toBeNull(),
  );

  test('keeps the outer braces of a triple pair', () => {
    expect(render('{{{nome}}}')).toEqual({ ok: true, text: '{Ana}' });
  });

  test('never reads a rendered value as a template', () => {
    expect(render('{{contrato}} {{nome}}')).toEqual({ ok: true, text: '{{nome}} Ana' });
  });

  test('names the first variable that is absent, blank or only looks like an object member', () => {
    expect(render('{{nome}} {{vencimento}} {{x}}')).toEqual({ ok: false, missing: 'vencimento' });
    expect(render('{{vazio}}')).toEqual({ ok: false, missing: 'vazio' });
    const parts = parseTemplate('{{1}}', { 2: 'nome' });
    expect(renderParts(parts, () => null)).toEqual({ ok: false, missing: '1' });
    expect(parseTemplate('{{constructor}}', {})).toEqual([
      { kind: 'variable', name: 'constructor' },
    ]);
  });

  test('maps numbers to columns, whatever their spelling', () => {
    const numbered = { 1: 'Nome', 2: 'Valor da Dívida' };
    expect(render('{{1}} deve {{ 2 }}', numbered)).toEqual({ ok: true, text: 'Ana deve R$ 10,00' });
  });

  test('orders the parameters of a vendor template by number', () => {
    const numbered = { 10: 'contrato', 2: 'valor da dívida', 1: 'nome' };
    expect(templateParameters(numbered, lookup)).toEqual({
      ok: true,
      parameters: ['Ana', 'R$ 10,00', '{{nome}}'],
    });
    expect(templateParameters({ 1: 'Vazio' }, lookup)).toEqual({ ok: false, missing: 'vazio' });
  });

  test('lists each variable once', () => {
    expect(templateVariables(parseTemplate('{{b}} {{a}} {{ B }} x'))).toEqual(['b', 'a']);
  });
});
