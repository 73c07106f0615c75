import { Check, Copy } from 'lucide-react';
import { useState } from 'react';
import { useWords } from '#/lib/words';
import { IconButton } from './button';

/** An id cut in the middle, copied whole. */
export function Id({ value }: { value: string }) {
  const t = useWords();
  const [copied, setCopied] = useState(false);
  async function copy() {
    await navigator.clipboard.writeText(value);
    setCopied(true);
    setTimeout(() => setCopied(false), 1_500);
  }
  return (
    <span className="inline-flex items-center gap-0.5 whitespace-nowrap">
      <code className="font-mono text-xs text-ink-2" title={value}>
        {cut(value)}
      </code>
      <IconButton
        size="small"
        dense
        icon={copied ? Check : Copy}
        label={copied ? t('ui.copied') : t('ui.copy', { value: cut(value) })}
        onPress={copy}
      />
    </span>
  );
}

export function cut(value: string): string {
  return value.length <= 16 ? value : `${value.slice(0, 8)}…${value.slice(-5)}`;
}
