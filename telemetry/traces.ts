import type { Note, SpanOptions, Tracing } from './otlp';

/*
 * Spans, for those who have switched them on: otherwise nothing of telemetry/otlp.ts is loaded, and `traced` calls its
 * function and nothing else. Between processes a span travels as W3C trace context: with a request, an outbox row, or the header of a
 * workflow, a signal or an activity.
 */

/** The name under which the trace context travels. */
export const TRACE_HEADER = 'traceparent';

let tracing: Tracing | undefined;
const unheard: Note = () => undefined;

/** From here on spans go to `created`. The answer sends what is left and switches it off again. */
export function switchOnTraces(created: Tracing): () => Promise<void> {
  tracing = created;
  return async () => {
    tracing = undefined;
    await created.close();
  };
}

/** Runs `work` as a span; it may `note` what it finds out. Attributes are ids, numbers and closed words, nothing personal. */
export function traced<T>(options: SpanOptions, work: (note: Note) => Promise<T>): Promise<T> {
  return tracing === undefined ? work(unheard) : tracing.run(options, work);
}

/** The span that this call belongs to, as W3C trace context; null where there is none. */
export const currentTraceParent = (): string | null => tracing?.current() ?? null;
