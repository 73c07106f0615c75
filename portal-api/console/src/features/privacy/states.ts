/** How a request to forget somebody can stand. */
export const ERASURE_STATES = ['asked', 'approved', 'done', 'refused', 'withdrawn'] as const;
