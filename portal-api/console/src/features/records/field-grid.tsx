import { Link } from '@tanstack/react-router';
import { ChevronDown, ChevronRight, GitCompareArrows, Pencil } from 'lucide-react';
import { useId, useRef, useState } from 'react';
import type { FieldProvenance, Provenance, Side } from '#/api/types';
import { useKeys } from '#/lib/keys';
import { usePhone } from '#/lib/media';
import { useWords } from '#/lib/words';
import { IconButton } from '#/ui/button';
import { Time } from '#/ui/time';
import { Value } from '#/ui/value';
import { differs } from './sides';
import { Why } from './why';
import { WriteMark } from './write-mark';
import './words';

type GridProps = {
  label: string;
  provenance: Provenance;
  fields: readonly FieldProvenance[];
  /** The form in place of a field's core value, for the one that is being edited. */
  editing: { name: string; form: React.ReactNode } | null;
  onEdit: (field: FieldProvenance) => void;
  canEdit: (field: FieldProvenance) => boolean;
};

/** Rows are fields; columns are the core, each system with the value last agreed with it, and where it came from. */
export function FieldGrid(props: GridProps) {
  const { label, provenance, fields, onEdit } = props;
  const t = useWords();
  const phone = usePhone();
  const body = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const many = provenance.connections.length > 1;
  const tracks = [
    'minmax(120px,0.9fr)',
    'minmax(170px,1.5fr)',
    ...provenance.connections.flatMap(() => ['minmax(140px,1.3fr)', 'minmax(110px,1fr)']),
    'minmax(150px,1fr)',
    '32px',
  ].join(' ');

  function rowAt(): number {
    const row = document.activeElement?.closest<HTMLElement>('[data-field]');
    return row && body.current?.contains(row) ? Number(row.dataset.field) : -1;
  }
  function move(by: number) {
    const to = Math.min(fields.length - 1, Math.max(0, rowAt() + by));
    body.current?.querySelector<HTMLElement>(`[data-field="${to}"] button[aria-expanded]`)?.focus();
  }
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    e: () => {
      const field = fields[Math.max(0, rowAt())];
      if (field && props.canEdit(field)) onEdit(field);
    },
  });
  function toggle(name: string) {
    setOpen((old) => {
      const next = new Set(old);
      if (!next.delete(name)) next.add(name);
      return next;
    });
  }

  const rows = fields.map((field, index) => (
    <FieldRow
      key={field.name}
      {...props}
      field={field}
      index={index}
      tracks={tracks}
      phone={phone}
      isOpen={open.has(field.name)}
      onToggle={() => toggle(field.name)}
    />
  ));
  if (phone) {
    return (
      <div ref={body} role="list" aria-label={label}>
        {rows}
      </div>
    );
  }
  return (
    <section aria-label={label} tabIndex={0} className="overflow-x-auto -outline-offset-2">
      <div
        role="table"
        aria-label={label}
        aria-rowcount={fields.length + 1}
        style={{ minWidth: 504 + provenance.connections.length * 250 }}
      >
        <div role="rowgroup">
          <div
            role="row"
            className="grid h-8 items-center border-b border-line bg-sunken px-4"
            style={{ gridTemplateColumns: tracks }}
          >
            <Head>{t('grid.field')}</Head>
            <Head>{t('grid.core')}</Head>
            {provenance.connections.map((connection) => (
              <HeadPair
                key={connection.id}
                name={connection.name}
                base={many ? t('grid.base_of', { name: connection.name }) : t('grid.base')}
              />
            ))}
            <Head>{t('grid.origin')}</Head>
            <div role="columnheader">
              <span className="sr-only">{t('grid.why')}</span>
            </div>
          </div>
        </div>
        <div role="rowgroup" ref={body}>
          {rows}
        </div>
      </div>
    </section>
  );
}

function Head({ children }: { children: React.ReactNode }) {
  return (
    <div role="columnheader" className="min-w-0 truncate pr-3 text-xs font-medium text-ink-2">
      {children}
    </div>
  );
}

function HeadPair({ name, base }: { name: string; base: string }) {
  return (
    <>
      <Head>{name}</Head>
      <Head>{base}</Head>
    </>
  );
}

type FieldRowProps = GridProps & {
  field: FieldProvenance;
  index: number;
  tracks: string;
  phone: boolean;
  isOpen: boolean;
  onToggle: () => void;
};

function FieldRow(props: FieldRowProps) {
  const { field, provenance, editing, index, tracks, phone, isOpen, onToggle } = props;
  const t = useWords();
  const why = useId();
  const form = editing?.name === field.name ? editing.form : null;
  const sideOf = (connection: string) => field.sides.find((side) => side.connection_id === connection);
  const expander = (
    <IconButton
      dense
      size="small"
      icon={isOpen ? ChevronDown : ChevronRight}
      label={t('grid.why_named', { field: field.label })}
      aria-expanded={isOpen}
      aria-controls={isOpen ? why : undefined}
      onPress={onToggle}
    />
  );
  const core = form ?? <CoreValue {...props} />;
  const conflict = field.conflict_id != null && (
    <Link
      to="/conflicts"
      search={{ id: field.conflict_id }}
      className="shrink-0 rounded-tag bg-hold-soft px-1.5 text-xs font-medium text-hold-ink hover:underline"
    >
      {t('grid.conflict')}
    </Link>
  );
  if (phone) {
    return (
      <div role="listitem" data-field={index} className="border-b border-line px-4 py-2 last:border-0">
        <div className="flex items-center justify-between gap-2">
          <span className="flex min-w-0 flex-wrap items-center gap-x-2 text-xs text-ink-2">
            {field.label} {conflict}
          </span>
          {expander}
        </div>
        {core}
        {provenance.connections.map((connection) => {
          const side = sideOf(connection.id);
          return (
            side &&
            (differs(field, side) || side.write_state) && (
              <p key={connection.id} className="mt-1 flex gap-2 text-xs text-ink-2">
                <span className="shrink-0">{connection.name}</span>
                <SideValue field={field} side={side} />
              </p>
            )
          );
        })}
        {isOpen && <Why id={why} field={field} connections={provenance.connections} />}
      </div>
    );
  }
  return (
    <>
      <div
        role="row"
        data-field={index}
        className="group grid min-h-9 items-center border-b border-line px-4 text-sm focus-within:bg-hover hover:bg-hover"
        style={{ gridTemplateColumns: tracks }}
      >
        <div role="rowheader" className="flex min-w-0 flex-wrap items-center gap-x-2 py-1 pr-3 text-ink-2">
          <span className="min-w-0 break-words" title={field.name}>
            {field.label}
          </span>
          {conflict}
        </div>
        <div role="cell" className="min-w-0 py-1 pr-3 font-medium text-ink">
          {core}
        </div>
        {provenance.connections.map((connection) => {
          const side = sideOf(connection.id);
          return <SideCells key={connection.id} field={field} side={side} />;
        })}
        <div role="cell" className="min-w-0 py-1 pr-3 text-xs text-ink-2">
          {field.origin ? (
            <span className="block truncate" title={field.origin.sentence}>
              <Time at={field.origin.at} as="age" /> ·{' '}
              <Origin field={field} connections={provenance.connections} />
            </span>
          ) : (
            <span className="text-ink-3">{t('grid.no_origin')}</span>
          )}
        </div>
        <div role="cell" className="flex justify-end">
          {expander}
        </div>
      </div>
      {isOpen && (
        <div role="row" className="border-b border-line bg-sunken">
          <div role="cell" aria-colspan={4 + provenance.connections.length * 2} className="px-4 py-2">
            <Why id={why} field={field} connections={provenance.connections} />
          </div>
        </div>
      )}
    </>
  );
}

function CoreValue({ field, canEdit, onEdit }: FieldRowProps) {
  const t = useWords();
  return (
    <div className="flex min-w-0 items-center justify-between gap-1 text-sm text-ink">
      <span className="min-w-0">
        <Value value={field.value} type={field.type} />
      </span>
      {canEdit(field) && (
        // A pencil on every row is noise; it comes with the pointer or the focus, and stays where there is no pointer.
        <span className="opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 max-sm:opacity-100 pointer-coarse:opacity-100">
          <IconButton
            dense
            size="small"
            icon={Pencil}
            label={t('grid.edit_named', { field: field.label })}
            onPress={() => onEdit(field)}
          />
        </span>
      )}
    </div>
  );
}

function SideCells({ field, side }: { field: FieldProvenance; side: Side | undefined }) {
  const t = useWords();
  const none = (
    <span className="text-ink-3" title={t('grid.not_mapped')}>
      <span aria-hidden>·</span>
      <span className="sr-only">{t('grid.not_mapped')}</span>
    </span>
  );
  return (
    <>
      <div role="cell" className="min-w-0 py-1 pr-3 text-ink">
        {side ? <SideValue field={field} side={side} /> : none}
      </div>
      <div role="cell" className="min-w-0 py-1 pr-3 text-ink-2">
        {side?.base_present ? <Value value={side.base} type={field.type} /> : none}
      </div>
    </>
  );
}

function SideValue({ field, side }: { field: FieldProvenance; side: Side }) {
  const t = useWords();
  const different = differs(field, side);
  return (
    <span className="flex min-w-0 flex-wrap items-center gap-1">
      <span
        className={`flex max-w-full min-w-0 items-center gap-1 ${different ? 'rounded-tag bg-warn-soft px-1 text-warn-ink' : ''}`}
      >
        {different && (
          <>
            <GitCompareArrows aria-hidden size={12} className="shrink-0" />
            <span className="sr-only">{t('grid.differs')}</span>
          </>
        )}
        {side.present ? (
          <Value value={side.value} type={field.type} />
        ) : (
          <span className="text-ink-3">{t('grid.absent')}</span>
        )}
      </span>
      {side.write_state && <WriteMark side={side} />}
    </span>
  );
}

function Origin({ field, connections }: { field: FieldProvenance; connections: Provenance['connections'] }) {
  const t = useWords();
  const { origin } = field;
  if (!origin) return null;
  if (origin.kind === 'user') return origin.user ?? t('grid.someone');
  if (origin.kind === 'rule') return origin.rule ?? t('grid.rule');
  return connections.find((one) => one.id === origin.connection_id)?.name ?? t('grid.system');
}
