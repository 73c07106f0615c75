import './words';
import { ArrowLeft, ArrowLeftRight, ArrowRight } from 'lucide-react';
import { useMemo } from 'react';
import type { MappingLine } from '#/api/types';
import { useWords, wordFor } from '#/lib/words';
import { EmptyState } from '#/ui/states';
import { type Column, Table } from '#/ui/table';

const ARROW = { in: ArrowRight, out: ArrowLeft, both: ArrowLeftRight } as const;

/** The mapping as rows: what the text says, field by field. */
export function MappingRows({ rows }: { rows: readonly MappingLine[] }) {
  const t = useWords();
  const columns = useMemo<Column<MappingLine>[]>(
    () => [
      {
        id: 'remote',
        header: t('mapping.remote'),
        width: 'minmax(140px, 1.2fr)',
        phone: 'fact',
        cell: (row) => <code className="font-mono text-xs">{row.remote.join(', ')}</code>,
      },
      {
        id: 'direction',
        header: t('mapping.direction'),
        width: '112px',
        phone: 'status',
        cell: (row) => <Direction direction={row.direction} />,
      },
      {
        id: 'core',
        header: t('mapping.core'),
        width: 'minmax(140px, 1.2fr)',
        phone: 'name',
        cell: (row) => (
          <span title={row.core}>
            <span className="font-medium">{row.core_label}</span>
          </span>
        ),
      },
      {
        id: 'type',
        header: t('mapping.type'),
        width: '124px',
        hides: 1,
        cell: (row) => wordFor(t, `field_type.${row.core_type}`, row.core_type),
      },
      {
        id: 'in',
        header: t('mapping.in'),
        width: 'minmax(110px, 1fr)',
        hides: 2,
        cell: (row) => <Pipe text={row.in} />,
      },
      {
        id: 'out',
        header: t('mapping.out'),
        width: 'minmax(110px, 1fr)',
        hides: 2,
        cell: (row) => <Pipe text={row.out} />,
      },
      {
        id: 'policy',
        header: t('mapping.policy'),
        width: '152px',
        phone: 'fact',
        cell: (row) => wordFor(t, `policy.${row.policy.replace(' ', '_')}`, row.policy),
      },
      {
        id: 'null',
        header: t('mapping.null'),
        width: '112px',
        hides: 1,
        cell: (row) => wordFor(t, `null.${row.null}`, row.null),
      },
      {
        id: 'group',
        header: t('mapping.group'),
        width: 'minmax(90px, 0.8fr)',
        hides: 1,
        cell: (row) => row.group ?? '',
      },
    ],
    [t],
  );
  if (rows.length === 0) return <EmptyState title={t('mapping.no_rows')} text={t('mapping.no_rows_text')} />;
  return (
    <Table
      whole
      label={t('mapping.rows')}
      columns={columns}
      rows={rows}
      idOf={(row) => `${row.core} ${row.remote.join(' ')}`}
    />
  );
}

function Direction({ direction }: { direction: string }) {
  const t = useWords();
  const Arrow = direction in ARROW ? ARROW[direction as keyof typeof ARROW] : ArrowLeftRight;
  return (
    <span className="flex items-center gap-1.5 text-ink-2">
      <Arrow aria-hidden size={14} className="shrink-0" />
      {wordFor(t, `direction.${direction}`, direction)}
    </span>
  );
}

function Pipe({ text }: { text?: string | null }) {
  return text ? (
    <code className="font-mono text-xs" title={text}>
      {text}
    </code>
  ) : (
    <span className="text-ink-3">—</span>
  );
}
