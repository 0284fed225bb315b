/** Workflows and the short activities that control them. */
export const CORE_QUEUE = 'core';
/** Activities that call providers: few at a time, seconds long. */
export const DELIVERY_QUEUE = 'delivery';
