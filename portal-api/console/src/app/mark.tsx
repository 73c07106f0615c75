/** Three folded lines. */
export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      className="shrink-0 stroke-accent"
      strokeWidth="2"
      strokeLinecap="round"
    >
      <path d="M3 4c3.5 0 5 7 9 7s5.5-7 9-7" />
      <path d="M3 9.5c3.5 0 5 6.5 9 6.5s5.5-6.5 9-6.5" opacity="0.75" />
      <path d="M3 15c3.5 0 5 6 9 6s5.5-6 9-6" opacity="0.5" />
    </svg>
  );
}
