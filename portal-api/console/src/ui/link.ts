/** The look of a link inside text and tables. */
export const LINK = 'rounded-tag font-medium text-accent-ink no-underline hover:underline';
/** A name in a table: quieter until the pointer is on it. */
export const NAME_LINK =
  'rounded-tag font-medium text-ink no-underline hover:text-accent-ink hover:underline';
