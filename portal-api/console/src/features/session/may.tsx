import { useMay } from './queries';

type Props = { needs: string; children: React.ReactNode };

/** What changes something stands on a page for those only who may do it; for the others there is nothing in its place. */
export function May({ needs, children }: Props) {
  const may = useMay();
  return may(needs) ? children : null;
}
