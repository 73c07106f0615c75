import { Check, Copy } from 'lucide-react';
import { useState } from 'react';
import { useWords } from '#/lib/words';
import { Button } from './button';

/** A text that is handed on whole: a secret shown this once, a link. */
export function CopyField({ label, value }: { label: string; value: string }) {
  const t = useWords();
  const [copied, setCopied] = useState(false);
  return (
    <div className="flex flex-col gap-1">
      <span className="text-xs font-medium text-ink-2">{label}</span>
      <div className="flex items-start gap-2 rounded-control bg-sunken p-2">
        <code className="min-w-0 flex-1 self-center font-mono text-xs break-all text-ink select-all">
          {value}
        </code>
        <Button
          size="small"
          icon={copied ? Check : Copy}
          aria-label={t(copied ? 'ui.copied_named' : 'ui.copy', { value: label })}
          onPress={() => void navigator.clipboard.writeText(value).then(() => setCopied(true))}
        >
          {t(copied ? 'ui.copied' : 'ui.copy_short')}
        </Button>
      </div>
      <span role="status" className="sr-only">
        {copied && t('ui.copied')}
      </span>
    </div>
  );
}
