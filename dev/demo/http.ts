import { Readable } from 'node:stream';

/** The API as an integrator's program calls it. */
export interface ApiClient {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  request<T>(method: string, path: string, body: unknown): Promise<T>;
  put<T>(path: string, body: Readable | Buffer, contentType: string): Promise<T>;
  /** The same caller, whose writes carry this Idempotency-Key. */
  withKey(key: string): ApiClient;
}

/** What the API has refused, in lines for a person. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  constructor(
    request: string,
    readonly status: number,
    text: string,
  ) {
    super(linesOf(`${request} answered ${status}`, text).join('\n'));
  }
}

/** The members of a problem document that are for people. */
interface Problem {
  title: string;
  detail: string;
  errors?: readonly { pointer: string; detail: string }[];
}

function linesOf(what: string, text: string): string[] {
  const problem = problemOf(text);
  if (problem === null) return [`${what}: ${text}`];
  const { title, detail, errors = [] } = problem;
  const fields = errors.map((each) => `  ${each.pointer} ${each.detail}`);
  return [`${what}: ${title}`, `  ${detail}`, ...fields];
}

function problemOf(text: string): Problem | null {
  try {
    const { title, detail, errors } = JSON.parse(text) as Partial<Problem>;
    if (title === undefined || detail === undefined) return null;
    return { title, detail, ...(errors === undefined ? {} : { errors }) };
  } catch {
    return null;
  }
}

/** Its methods throw ApiRefusal for whatever the API refuses. */
export function apiClient(url: string, token: string | null, key: string | null = null): ApiClient {
  const call = async <T>(
    method: string,
    path: string,
    body?: string | Uint8Array | ReadableStream,
    contentType?: string,
  ): Promise<T> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(key === null ? {} : { 'idempotency-key': key }),
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body, duplex: 'half' }),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiRefusal(`${method} ${path}`, response.status, text);
    return (text === '' ? null : JSON.parse(text)) as T;
  };
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, JSON.stringify(body ?? {}), 'application/json'),
    request: (method, path, body) => call(method, path, JSON.stringify(body), 'application/json'),
    put: (path, body, contentType) =>
      call(
        'PUT',
        path,
        Buffer.isBuffer(body) ? new Uint8Array(body) : (Readable.toWeb(body) as ReadableStream),
        contentType,
      ),
    withKey: (key) => apiClient(url, token, key),
  };
}
