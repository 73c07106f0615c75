import type { LucideIcon } from 'lucide-react';
import { Button as AriaButton, type ButtonProps as AriaButtonProps } from 'react-aria-components/Button';
import { Tip } from './tooltip';

const LOOK = {
  primary:
    'bg-accent text-on-accent hover:bg-accent-hover pressed:bg-accent-hover disabled:bg-idle-soft disabled:text-idle-ink',
  plain:
    'border border-edge bg-surface text-ink hover:bg-hover pressed:bg-hover disabled:border-line disabled:text-ink-3',
  quiet: 'text-ink-2 hover:bg-hover hover:text-ink pressed:bg-hover disabled:text-ink-3',
  danger:
    'border border-bad bg-surface text-bad-ink hover:bg-bad-soft pressed:bg-bad-soft disabled:border-line disabled:text-ink-3',
} as const;

const SIZE = {
  small: 'h-7 px-2 text-sm gap-1',
  normal: 'h-8 px-3 text-sm gap-1.5',
  large: 'h-10 px-4 text-base gap-2',
} as const;

export type ButtonLook = keyof typeof LOOK;

type ButtonProps = Omit<AriaButtonProps, 'className' | 'children'> & {
  look?: ButtonLook;
  size?: keyof typeof SIZE;
  icon?: LucideIcon;
  className?: string;
  children: React.ReactNode;
};

export function Button({
  look = 'plain',
  size = 'normal',
  icon: Icon,
  className = '',
  isPending = false,
  onPress,
  type,
  children,
  ...rest
}: ButtonProps) {
  // Not React Aria's own `isPending`: what it says aloud names an element that is gone once the page has changed. And
  // not disabled: that would drop the focus.
  return (
    <AriaButton
      {...rest}
      type={isPending ? 'button' : type}
      onPress={isPending ? undefined : onPress}
      aria-disabled={isPending || undefined}
      className={`${buttonLook(look, size)} aria-disabled:cursor-progress ${className}`}
    >
      {Icon && <Icon aria-hidden size={16} strokeWidth={1.75} className="shrink-0" />}
      {children}
    </AriaButton>
  );
}

/** The same look for a link that leads to an action's page. */
export function buttonLook(look: ButtonLook = 'plain', size: keyof typeof SIZE = 'normal'): string {
  return `inline-flex shrink-0 items-center justify-center rounded-control font-medium whitespace-nowrap no-underline transition-colors touch ${LOOK[look]} ${SIZE[size]}`;
}

type IconButtonProps = Omit<AriaButtonProps, 'className' | 'children' | 'aria-label'> & {
  label: string;
  icon: LucideIcon;
  size?: 'small' | 'normal';
  /** Inside dense rows a finger's target may not grow the row. */
  dense?: boolean;
};

export function IconButton({ label, icon: Icon, size = 'normal', dense = false, ...rest }: IconButtonProps) {
  const box = size === 'small' ? 'size-6' : 'size-8';
  return (
    <Tip text={label}>
      <AriaButton
        {...rest}
        aria-label={label}
        className={`inline-flex shrink-0 items-center justify-center rounded-control text-ink-2 transition-colors hover:bg-hover hover:text-ink pressed:bg-hover disabled:text-ink-3 ${dense ? '' : 'touch'} ${box}`}
      >
        <Icon aria-hidden size={size === 'small' ? 14 : 16} strokeWidth={1.75} />
      </AriaButton>
    </Tip>
  );
}
