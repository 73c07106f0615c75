/** The mark of a radio button whose whole card can be pressed; stands in a `group`. */
export function Dot() {
  return (
    <span className="flex size-4 shrink-0 items-center justify-center rounded-full border border-edge bg-surface group-selected:border-accent">
      <span className="hidden size-2 rounded-full bg-accent group-selected:block" />
    </span>
  );
}
