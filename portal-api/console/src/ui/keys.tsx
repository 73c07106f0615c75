/** Keys as they stand on a keyboard. */
export function Keys({ value }: { value: string }) {
  return (
    <span className="flex shrink-0 gap-1">
      {value.split(' ').map((key) => (
        <kbd
          key={key}
          className="min-w-5 rounded-tag border border-line bg-surface px-1 text-center font-sans text-xs text-ink-2"
        >
          {key}
        </kbd>
      ))}
    </span>
  );
}
