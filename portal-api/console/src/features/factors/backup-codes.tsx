import { useMutation } from '@tanstack/react-query';
import { Copy, Download, RefreshCw } from 'lucide-react';
import { toProblem } from '#/api/problem';
import { useWords } from '#/lib/words';
import { Button, buttonLook } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { Panel } from '#/ui/panel';
import { ErrorState } from '#/ui/states';
import { toast } from '#/ui/toast';
import { type PanelProps, useRefresh } from './panel';
import { renewBackupCodes } from './queries';
import './words';

/** Codes for the day everything else is lost. */
export function BackupCodesPanel({ owned, guard, onCodes }: PanelProps) {
  const t = useWords();
  const refresh = useRefresh();
  const has = owned.totp_since !== null || owned.sms_ends_with !== null || owned.passkeys > 0;
  const renew = useMutation({
    mutationFn: guard<void, string[]>(() => renewBackupCodes()),
    onSuccess: async (codes) => {
      onCodes(codes);
      await refresh();
    },
  });
  const few = has && owned.backup_codes_left < 3;
  return (
    <Panel
      title={t('security.codes')}
      actions={
        has && (
          <Button icon={RefreshCw} onPress={() => renew.mutate()} isPending={renew.isPending}>
            {t('security.codes_renew')}
          </Button>
        )
      }
    >
      <p className="max-w-prose text-sm text-ink-2">
        {t(has ? 'security.codes_text' : 'security.codes_none')}
      </p>
      {has && (
        <p className={`numeric mt-2 text-sm font-medium ${few ? 'text-warn-ink' : 'text-ink'}`}>
          {t('security.codes_left', { left: owned.backup_codes_left })}
        </p>
      )}
      {renew.error && <ErrorState compact error={toProblem(renew.error)} />}
    </Panel>
  );
}

/** New codes, shown this once. */
export function BackupCodes({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const t = useWords();
  const text = `${codes.join('\n')}\n`;
  return (
    <Dialog title={t('security.codes_new')} isOpen={codes.length > 0} onClose={onClose}>
      <div className="flex flex-col gap-4">
        <p className="text-sm text-ink-2">{t('security.codes_keep')}</p>
        <ul className="grid grid-cols-2 gap-x-6 gap-y-1.5 rounded-control bg-sunken p-3 font-mono text-sm text-ink select-all max-sm:grid-cols-1">
          {codes.map((code) => (
            <li key={code}>{code}</li>
          ))}
        </ul>
        <div className="flex flex-wrap gap-2">
          <Button
            icon={Copy}
            onPress={() => {
              void navigator.clipboard
                .writeText(text)
                .then(() => toast({ text: t('security.codes_copied') }));
            }}
          >
            {t('security.codes_copy')}
          </Button>
          <a
            href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}
            download="syncline-backup-codes.txt"
            className={`${buttonLook()} gap-1.5`}
          >
            <Download aria-hidden size={16} strokeWidth={1.75} /> {t('security.codes_save')}
          </a>
          <Button look="primary" onPress={onClose}>
            {t('security.codes_done')}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
