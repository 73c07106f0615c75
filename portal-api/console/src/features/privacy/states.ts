/** How a request to forget somebody can stand. */
export const ERASURE_STATES = ['asked', 'approved', 'failed', 'done', 'refused', 'withdrawn'] as const;
