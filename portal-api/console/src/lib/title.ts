import { useEffect } from 'react';

/** The tab's title: what is on the page, then the product. */
export function useTitle(title: string | undefined) {
  useEffect(() => {
    document.title = title ? `${title} · Syncline` : 'Syncline';
  }, [title]);
}
