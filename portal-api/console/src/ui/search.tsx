import { Search as Glass, X } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { Input } from 'react-aria-components/Input';
import { SearchField } from 'react-aria-components/SearchField';

/** Typing waits this long before the list is asked again. */
const PAUSE = 250;

type SearchProps = { label: string; clearLabel: string; value: string; onChange: (value: string) => void };

/** `/` focuses it: the shell looks for `data-search`. */
export function Search({ label, clearLabel, value, onChange }: SearchProps) {
  const [typed, setTyped] = useState(value);
  const sent = useRef(value);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setTyped(value);
  }, [value]);
  useEffect(() => {
    if (typed === sent.current) return;
    const timer = setTimeout(() => {
      sent.current = typed;
      onChange(typed);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [typed, onChange]);
  return (
    <SearchField
      aria-label={label}
      value={typed}
      onChange={setTyped}
      className="group relative min-w-40 max-w-80 flex-1"
    >
      <Glass aria-hidden size={14} className="absolute top-1/2 left-2 -translate-y-1/2 text-ink-3" />
      <Input
        data-search
        placeholder={label}
        className="h-8 w-full rounded-control border border-edge bg-surface pr-7 pl-7 text-sm text-ink placeholder:text-ink-3 focus:outline-2 focus:outline-focus pointer-coarse:min-h-11 pointer-coarse:text-lg [&::-webkit-search-cancel-button]:hidden"
      />
      <Button
        aria-label={clearLabel}
        className="absolute top-1/2 right-1 flex size-6 -translate-y-1/2 items-center justify-center rounded-tag text-ink-3 hover:text-ink group-empty:hidden"
      >
        <X aria-hidden size={14} />
      </Button>
    </SearchField>
  );
}
