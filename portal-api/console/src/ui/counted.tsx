import { usePhone } from '#/lib/media';

/** A number in a column; on phones, where no head says of what, in words. */
export function Counted({ count, words }: { count: number; words: string }) {
  return usePhone() ? words : count;
}
