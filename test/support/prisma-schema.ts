import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { columnInWords, sorted, type TableShape, type TableShapes } from './table-shapes';

const FOLDER = join(__dirname, '../../prisma/schema');

const PLAIN_TYPES: Record<string, string> = {
  String: 'text',
  Int: 'integer',
  BigInt: 'bigint',
  Float: 'double precision',
  Boolean: 'boolean',
  Json: 'jsonb',
  Bytes: 'bytea',
};

const NATIVE_TYPES: Record<string, string> = {
  '@db.Uuid': 'uuid',
  '@db.SmallInt': 'smallint',
  '@db.Date': 'date',
  '@db.Timestamptz(3)': 'timestamp(3) with time zone',
  '@db.Timestamptz(6)': 'timestamp with time zone',
};

interface Field {
  name: string;
  column: string;
  /** Without `?` and `[]`. */
  type: string;
  mark: '' | '?' | '[]';
  attributes: string;
}

interface Model {
  name: string;
  table: string;
  fields: Field[];
  /** `@@id([a, b])` and its like. */
  blocks: { kind: string; body: string }[];
}

/** The tables that prisma/schema describes. Knows the notation that these files use; anything else throws. */
export function schemaShapes(): TableShapes {
  const models = new Map(readModels().map((model) => [model.name, model]));
  const shapes: TableShapes = {};
  for (const model of models.values()) shapes[model.table] = shapeOf(model, models);
  return sorted(shapes);
}

/** The columns `updated_at` that Prisma would forget to set. */
export function forgottenUpdates(): string[] {
  return readModels().flatMap(({ table, fields }) =>
    fields
      .filter(
        ({ column, attributes }) => column === 'updated_at' && !/@updatedAt\b/.test(attributes),
      )
      .map(({ column }) => `${table}.${column}`),
  );
}

function readModels(): Model[] {
  const text = readdirSync(FOLDER)
    .map((file) => readFileSync(join(FOLDER, file), 'utf8'))
    .join('\n');
  return [...text.matchAll(/^model (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, name = '', body = '']) => {
    const lines = body
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('//'));
    const blocks = lines.flatMap((line) => {
      const [, kind, inner] = /^@@(\w+)\((.*)\)$/.exec(line) ?? [];
      return kind === undefined || inner === undefined ? [] : [{ kind, body: inner }];
    });
    const table = blocks.find(({ kind }) => kind === 'map')?.body.slice(1, -1) ?? name;
    const fields = lines.filter((line) => !line.startsWith('@@')).map(readField);
    return { name, table, fields, blocks };
  });
}

function readField(line: string): Field {
  const found = /^(\w+)\s+(\w+(?:\("\w+"\))?)(\?|\[\])?(?:\s+(.*))?$/.exec(line);
  if (found === null) throw new Error(`This line of the schema is not understood: ${line}`);
  const [, name = '', type = '', mark = '', attributes = ''] = found;
  const column = /@map\("(\w+)"\)/.exec(attributes)?.[1] ?? name;
  return { name, column, type, mark: mark as Field['mark'], attributes };
}

function shapeOf(model: Model, models: ReadonlyMap<string, Model>): TableShape {
  const shape: TableShape = {
    columns: {},
    primaryKey: '',
    uniques: [],
    indexes: [],
    foreignKeys: [],
  };
  for (const field of model.fields) {
    const target = models.get(field.type);
    if (target !== undefined) {
      if (field.mark !== '[]') shape.foreignKeys.push(foreignKey(model, field, target));
      continue;
    }
    shape.columns[field.column] = columnInWords({
      type: typeOf(field),
      required: field.mark !== '?',
      default: defaultOf(field),
    });
    if (/@id\b/.test(field.attributes)) shape.primaryKey = `(${field.column})`;
    if (/@unique\b/.test(field.attributes)) shape.uniques.push(`(${field.column})`);
  }
  for (const { kind, body } of model.blocks) {
    if (kind === 'id') shape.primaryKey = columnList(model, body);
    else if (kind === 'unique') shape.uniques.push(columnList(model, body));
    else if (kind === 'index') shape.indexes.push(columnList(model, body));
    else if (kind !== 'map') throw new Error(`@@${kind} of ${model.name} is not understood.`);
  }
  return shape;
}

function typeOf({ name, type, mark, attributes }: Field): string {
  const native = /@db\.\w+(\([\d, ]+\))?/.exec(attributes)?.[0];
  const exact = /^@db\.Decimal(\(\d+), (\d+\))$/.exec(native ?? '');
  const unsupported = /^Unsupported\("(\w+)"\)$/.exec(type)?.[1];
  const base =
    exact === null
      ? (unsupported ?? (native === undefined ? PLAIN_TYPES[type] : NATIVE_TYPES[native]))
      : `numeric${exact[1]},${exact[2]}`;
  if (base === undefined)
    throw new Error(`The type of ${name} (${type} ${native}) is not understood.`);
  return mark === '[]' ? `${base}[]` : base;
}

function defaultOf({ attributes }: Field): string | null {
  const [, value] = /@default\((dbgenerated\(".+?"\)|\w+\(\)|[^)]*)\)/.exec(attributes) ?? [];
  if (value === undefined) return null;
  if (value === '[]') return '{}';
  return value.replace(/^dbgenerated\("(.+)"\)$/, '$1').replace(/^"(.*)"$/, '$1');
}

function foreignKey(model: Model, field: Field, target: Model): string {
  const inner = /@relation\((.*)\)/.exec(field.attributes)?.[1] ?? '';
  const list = (key: string, of: Model): string =>
    columnList(of, new RegExp(`${key}: (\\[[^\\]]*\\])`).exec(inner)?.[1] ?? '');
  const onDelete = /onDelete: (\w+)/.exec(inner)?.[1]?.replace('NoAction', 'no action');
  const from = list('fields', model);
  return `${from} → ${target.table} ${list('references', target)} on delete ${onDelete?.toLowerCase()}`;
}

/** `[companyId, id(sort: Desc)], map: "x"` → `(company_id, id desc)`. */
function columnList(model: Model, text: string): string {
  const inner = /^\[([^\]]*)\]/.exec(text)?.[1];
  if (inner === undefined) throw new Error(`"${text}" of ${model.name} is not understood.`);
  const columns = inner.split(', ').map((part) => {
    const [, name, sort] = /^(\w+)(\(sort: Desc\))?$/.exec(part) ?? [];
    const column = model.fields.find((field) => field.name === name)?.column;
    if (column === undefined) throw new Error(`${model.name} has no field ${part}.`);
    return sort === undefined ? column : `${column} desc`;
  });
  return `(${columns.join(', ')})`;
}
