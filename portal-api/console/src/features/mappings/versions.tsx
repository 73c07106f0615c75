import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useWords, wordFor } from '#/lib/words';
import { Button } from '#/ui/button';
import { Dialog } from '#/ui/dialog';
import { QueryView } from '#/ui/query-view';
import { EmptyState } from '#/ui/states';
import { type Status, StatusPill } from '#/ui/status-pill';
import { Time } from '#/ui/time';
import { versionQuery, versionsQuery } from './queries';
import { TextEditor } from './text-editor';

const STATUS: Record<string, Status> = {
  draft: 'new',
  published: 'succeeded',
  superseded: 'off',
  rolled_back: 'off',
};

type VersionsProps = {
  id: string;
  /** Given to those who may write the draft. */
  onTake?: (text: string) => void;
};

/** Every version with who made it; its text can be read, and taken back into the draft. */
export function Versions({ id, onTake }: VersionsProps) {
  const t = useWords();
  const query = useQuery(versionsQuery(id));
  const [open, setOpen] = useState<number | null>(null);
  return (
    <QueryView query={query} loading={t('mapping.versions_loading')} skeletonRows={4}>
      {(versions) => {
        if (versions.length === 0) return <EmptyState title={t('mapping.no_versions')} />;
        return (
          <>
            <ul>
              {versions.map((version) => (
                <li
                  key={version.version}
                  className="flex min-h-11 flex-wrap items-center gap-x-4 gap-y-1 border-b border-line px-4 py-1.5 text-sm last:border-0"
                >
                  <span className="numeric w-24 font-medium text-ink">
                    {t('mapping.version_n', { version: version.version })}
                  </span>
                  <span className="w-28">
                    <StatusPill status={STATUS[version.state] ?? 'new'}>
                      {wordFor(t, `version_state.${version.state}`, version.state)}
                    </StatusPill>
                  </span>
                  <span className="numeric text-ink-2">
                    {t('mapping.fields_n', { count: version.fields })}
                  </span>
                  <span className="text-ink-2">
                    <Time at={version.created_at} as="full" />{' '}
                    {version.created_by && `· ${version.created_by}`}
                  </span>
                  <span className="ml-auto">
                    <Button
                      size="small"
                      look="quiet"
                      onPress={() => setOpen(version.version)}
                      aria-label={t('mapping.read_version', { version: version.version })}
                    >
                      {t('mapping.read')}
                    </Button>
                  </span>
                </li>
              ))}
            </ul>
            <Dialog
              wide
              title={t('mapping.version_n', { version: open ?? 0 })}
              isOpen={open !== null}
              onClose={() => setOpen(null)}
            >
              {open !== null && (
                <VersionText
                  id={id}
                  version={open}
                  onTake={
                    onTake &&
                    ((text) => {
                      setOpen(null);
                      onTake(text);
                    })
                  }
                />
              )}
            </Dialog>
          </>
        );
      }}
    </QueryView>
  );
}

function VersionText({
  id,
  version,
  onTake,
}: {
  id: string;
  version: number;
  onTake?: (text: string) => void;
}) {
  const t = useWords();
  const query = useQuery(versionQuery(id, version));
  return (
    <QueryView query={query} loading={t('mapping.versions_loading')}>
      {(found) => (
        <div className="flex flex-col gap-3">
          <div className="overflow-hidden rounded-control border border-line">
            <TextEditor
              label={t('mapping.version_n', { version })}
              text={found.text}
              problems={[]}
              isChecking={false}
            />
          </div>
          {onTake && (
            <div className="flex justify-end">
              <Button onPress={() => onTake(found.text)}>{t('mapping.take_version')}</Button>
            </div>
          )}
        </div>
      )}
    </QueryView>
  );
}
