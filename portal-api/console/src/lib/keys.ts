import { useEffect, useRef } from 'react';

type Handlers = Record<string, (event: KeyboardEvent) => void>;

/**
 * Single-letter keys, outside text fields and open dialogs only. Keys are `KeyboardEvent.key` values; two in a
 * row are written with a space (`g r`).
 */
export function useKeys(handlers: Handlers, active = true) {
  const current = useRef(handlers);
  useEffect(() => {
    current.current = handlers;
  });
  useEffect(() => {
    if (!active) return;
    let first = '';
    let firstAt = 0;
    function onKey(event: KeyboardEvent) {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      const pair = event.timeStamp - firstAt < 1_200 ? `${first} ${event.key}` : '';
      const handler =
        current.current[pair] ?? (isStart(first, event, firstAt) ? undefined : current.current[event.key]);
      first = event.key;
      firstAt = event.timeStamp;
      if (!handler) return;
      event.preventDefault();
      handler(event);
    }
    /** The second key of a pair that is not ours may be another listener's: it does nothing here. */
    function isStart(key: string, event: KeyboardEvent, at: number) {
      return key === 'g' && event.timeStamp - at < 1_200 && event.key !== 'g';
    }
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, [active]);
}

function isTyping(event: KeyboardEvent): boolean {
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest('[role="dialog"], [role="menu"], [role="listbox"]'))
    return true;
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
