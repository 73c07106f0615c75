import { type RefObject, useEffect } from 'react';

let isFirst = true;

/**
 * Moves the focus to a page's title when it is come to from another page, so that a screen reader starts there. The
 * first page is left as the browser opened it: its first stop is the way past the frame.
 */
export function useArrival(title: RefObject<HTMLElement | null>) {
  useEffect(() => {
    if (!isFirst) title.current?.focus({ preventScroll: true });
    isFirst = false;
  }, [title]);
}
