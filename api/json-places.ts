import { jsonPointer } from './errors';

/** Where something stands in a JSON body. */
export interface JsonPlace {
  value: unknown;
  key: string;
  parent: JsonPlace | undefined;
}

/** Every place of a body in its order, itself first. Without recursion: a body may be nested as deep as it is long. */
export function* placesIn(body: unknown): Generator<JsonPlace> {
  const open: JsonPlace[] = [{ value: body, key: '', parent: undefined }];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    yield place;
    const { value } = place;
    if (typeof value !== 'object' || value === null) continue;
    const inside = Object.entries(value).toReversed();
    for (const [key, child] of inside) open.push({ value: child, key, parent: place });
  }
}

/** RFC 6901; the body itself is ''. */
export function pointerTo(place: JsonPlace): string {
  const path: string[] = [];
  for (let at = place; at.parent !== undefined; at = at.parent) path.push(at.key);
  return jsonPointer(path.toReversed());
}
