import { Tooltip, TooltipTrigger } from 'react-aria-components/Tooltip';

/** Says in words what an icon means; the one child must be focusable. */
export function Tip({ text, children }: { text: string; children: React.ReactElement }) {
  return (
    <TooltipTrigger delay={500} closeDelay={80}>
      {children}
      <Tooltip
        offset={6}
        className="max-w-72 rounded-control border border-line bg-raised px-2 py-1 text-xs text-ink shadow-float"
      >
        {text}
      </Tooltip>
    </TooltipTrigger>
  );
}
