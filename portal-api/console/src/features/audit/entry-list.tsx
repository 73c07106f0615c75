import { useInfiniteQuery } from '@tanstack/react-query';
import { Ban } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { AuditEntry } from '#/api/types';
import { useWords } from '#/lib/words';
import { NAME_LINK } from '#/ui/link';
import { ListView } from '#/ui/list-view';
import type { Column } from '#/ui/table';
import { Time } from '#/ui/time';
import { EntrySheet } from './entry-sheet';
import { type AuditFilters, auditQuery } from './queries';
import { SubjectLink } from './subject-link';
import { isRefused, useAuditWords } from './words';

type ListProps = {
  filters: AuditFilters;
  empty: React.ReactNode;
  /** It stands inside a page, as tall as its rows. */
  whole?: boolean;
};

/** The trail, newest first; a row opens what it changed. */
export function EntryList({ filters, empty, whole }: ListProps) {
  const t = useWords();
  const query = useInfiniteQuery(auditQuery(filters));
  const [open, setOpen] = useState<number | null>(null);
  const entries = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const columns = useEntryColumns(setOpen);
  const at = entries.findIndex((entry) => entry.seq === open);
  const newer = entries[at - 1];
  const older = at < 0 ? undefined : entries[at + 1];
  return (
    <>
      <ListView
        query={query}
        loading={t('audit.loading')}
        label={t('audit.title')}
        columns={columns}
        idOf={(entry) => String(entry.seq)}
        empty={empty}
        whole={whole}
      />
      <EntrySheet
        entry={entries[at] ?? null}
        onClose={() => setOpen(null)}
        onNewer={newer && (() => setOpen(newer.seq))}
        onOlder={older && (() => setOpen(older.seq))}
      />
    </>
  );
}

function useEntryColumns(onOpen: (seq: number) => void): Column<AuditEntry>[] {
  const t = useWords();
  const words = useAuditWords();
  return [
    {
      id: 'action',
      header: t('audit.action'),
      width: 'minmax(190px, 1.5fr)',
      phone: 'name',
      cell: (one) => (
        <button
          type="button"
          onClick={() => onOpen(one.seq)}
          className={`inline-flex max-w-full items-center gap-1.5 text-left ${NAME_LINK}`}
        >
          {isRefused(one.action) && <Ban aria-hidden size={14} className="shrink-0 text-bad" />}
          <span className="truncate">{words.action(one.action)}</span>
        </button>
      ),
    },
    {
      id: 'who',
      header: t('audit.who'),
      width: 'minmax(130px, 1fr)',
      phone: 'fact',
      cell: (one) => <span title={one.actor.id ?? undefined}>{words.actor(one.actor)}</span>,
    },
    {
      id: 'what',
      header: t('audit.what'),
      width: 'minmax(230px, 1.4fr)',
      hides: 3,
      cell: (one) => (
        <span className="inline-flex max-w-full items-center gap-1.5 truncate">
          {words.kind(one.subject_kind)} <SubjectLink id={one.subject_id} />
        </span>
      ),
    },
    {
      id: 'address',
      header: t('audit.address'),
      width: '136px',
      hides: 2,
      cell: (one) => <span className="numeric">{one.address ?? '—'}</span>,
    },
    {
      id: 'seq',
      header: t('audit.seq'),
      width: '84px',
      align: 'right',
      hides: 1,
      cell: (one) => one.seq,
    },
    {
      id: 'at',
      header: t('audit.at'),
      width: '152px',
      phone: 'fact',
      cell: (one) => <Time at={one.at} />,
    },
  ];
}
