/** How a request to forget somebody can stand. */
export const ERASURE_STATES = ['asked', 'approved', 'failed', 'done', 'refused', 'withdrawn'] as const;

/** How close a field can be to a person. */
export const CLASSES = ['sensitive', 'identifying', 'no'] as const;
