import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { memo, useCallback, useEffect, useRef, useState } from 'react';
import { formatNumber } from '#/lib/format';
import { useKeys } from '#/lib/keys';
import { useMedia, usePhone } from '#/lib/media';
import { useWords } from '#/lib/words';
import { Button } from './button';
import { type Density, useDensity } from './density';

export type Column<T> = {
  id: string;
  header: string;
  cell: (row: T) => React.ReactNode;
  /** A grid track: `minmax(160px, 2fr)`. */
  width: string;
  align?: 'right';
  /** The name the server sorts by. */
  sort?: string;
  /** Goes first when the room is short: 0 under 1520 px, 1 under 1320 px, 2 under 1100 px, 3 under 820 px. */
  hides?: 0 | 1 | 2 | 3;
  /** Where the value stands in a phone's two-line row; columns without a place are left out there. */
  phone?: 'name' | 'status' | 'fact';
};

export type TableProps<T> = {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  idOf: (row: T) => string;
  /** How many there are on the server, when known. */
  total?: number | null;
  sort?: string;
  onSort?: (sort: string) => void;
  onMore?: () => void;
  hasMore?: boolean;
  isLoadingMore?: boolean;
  /** As tall as its rows, for short lists inside a page; otherwise it fills its parent and scrolls. */
  whole?: boolean;
};

const HEIGHT: Record<Density | 'phone', number> = { compact: 36, comfortable: 46, phone: 64 };
const HEAD = 32;

/**
 * Rows by the ten thousand: only those in sight are drawn. `J` and `K` move, `Enter` opens the row's own link.
 * Sorting and filtering are the server's.
 */
export function Table<T>(props: TableProps<T>) {
  const {
    label,
    columns,
    rows,
    idOf,
    sort,
    onSort,
    onMore,
    hasMore = false,
    isLoadingMore = false,
    whole,
  } = props;
  const t = useWords();
  const phone = usePhone();
  const density = useDensity();
  const hidden = useHidden();
  const seen = columns.filter((column) => !hidden(column));
  const tracks = seen.map((column) => column.width).join(' ');
  const height = HEIGHT[phone ? 'phone' : density];
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another row height makes every stored measure wrong
  useEffect(() => virtual.measure(), [height, virtual]);

  const drawn = virtual.getVirtualItems();
  const last = drawn.at(-1)?.index ?? -1;
  useEffect(() => {
    if (hasMore && !isLoadingMore && last >= rows.length - 15) onMore?.();
  }, [hasMore, isLoadingMore, last, rows.length, onMore]);

  const move = useRowFocus(scroller, rows.length, (index) => virtual.scrollToIndex(index));
  useKeys({ j: () => move(1), k: () => move(-1) });

  const body = (
    <div
      role={phone ? undefined : 'rowgroup'}
      className="relative"
      style={{ height: virtual.getTotalSize() }}
    >
      {drawn.map((item) => {
        const row = rows[item.index];
        if (!row) return null;
        return phone ? (
          <PhoneRow
            key={idOf(row)}
            row={row}
            index={item.index}
            top={item.start}
            columns={columns}
            total={rows.length}
          />
        ) : (
          <Row
            key={idOf(row)}
            row={row}
            index={item.index}
            top={item.start}
            height={height}
            columns={seen}
            tracks={tracks}
          />
        );
      })}
    </div>
  );
  const foot = hasMore && (
    <div className="flex justify-center p-2">
      <Button size="small" look="quiet" onPress={onMore} isDisabled={isLoadingMore}>
        {isLoadingMore ? t('ui.loading_more') : t('ui.load_more')}
      </Button>
    </div>
  );
  return (
    <section
      ref={scroller}
      aria-label={label}
      tabIndex={0}
      className={`relative min-w-0 overflow-auto -outline-offset-2 ${whole ? 'max-h-[70vh]' : 'min-h-0 flex-1'}`}
    >
      {phone ? (
        <div role="list">{body}</div>
      ) : (
        <div
          role="table"
          aria-label={label}
          aria-rowcount={props.total == null ? (hasMore ? -1 : rows.length + 1) : props.total + 1}
          style={{ minWidth: leastWidth(seen) }}
        >
          <div role="rowgroup" className="sticky top-0 z-10">
            <div
              role="row"
              aria-rowindex={1}
              className="grid items-stretch border-b border-line bg-sunken px-4"
              style={{ gridTemplateColumns: tracks, height: HEAD }}
            >
              {seen.map((column) => (
                <Head key={column.id} column={column} sort={sort} onSort={onSort} />
              ))}
            </div>
          </div>
          {body}
        </div>
      )}
      {foot}
    </section>
  );
}

/** The least width of the columns together, with the row's own padding; under it the table scrolls sideways. */
function leastWidth<T>(columns: readonly Column<T>[]): number {
  return columns.reduce((sum, column) => sum + Number(/\d+/.exec(column.width)?.[0] ?? 0), 32);
}

function Head<T>({
  column,
  sort,
  onSort,
}: {
  column: Column<T>;
  sort?: string;
  onSort?: (sort: string) => void;
}) {
  const side = column.align === 'right' ? 'justify-end text-right' : '';
  if (!column.sort || !onSort) {
    return (
      <div
        role="columnheader"
        className={`flex min-w-0 items-center px-3 text-xs font-medium text-ink-2 first:pl-0 last:pr-0 ${side}`}
      >
        <span className="truncate">{column.header}</span>
      </div>
    );
  }
  const up = sort === column.sort;
  const down = sort === `-${column.sort}`;
  const Arrow = down ? ArrowDown : ArrowUp;
  return (
    <div
      role="columnheader"
      aria-sort={up ? 'ascending' : down ? 'descending' : 'none'}
      className={`flex min-w-0 items-center px-3 first:pl-0 last:pr-0 ${side}`}
    >
      <button
        type="button"
        onClick={() => onSort(up ? `-${column.sort}` : `${column.sort}`)}
        className="flex min-h-6 min-w-0 items-center gap-1 rounded-tag text-xs font-medium text-ink-2 hover:text-ink"
      >
        <span className="truncate">{column.header}</span>
        <Arrow aria-hidden size={12} className={up || down ? 'shrink-0' : 'invisible shrink-0'} />
      </button>
    </div>
  );
}

type RowProps<T> = {
  row: T;
  index: number;
  top: number;
  height: number;
  columns: readonly Column<T>[];
  tracks: string;
};

const Row = memo(function Row<T>({ row, index, top, height, columns, tracks }: RowProps<T>) {
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      data-row={index}
      className="absolute inset-x-0 grid items-center border-b border-line px-4 text-sm text-ink focus-within:bg-hover hover:bg-hover"
      style={{ gridTemplateColumns: tracks, height, transform: `translateY(${top}px)` }}
    >
      {columns.map((column) => (
        <div
          key={column.id}
          role="cell"
          className={`min-w-0 truncate px-3 py-1 first:pl-0 last:pr-0 ${column.align === 'right' ? 'numeric text-right' : ''}`}
        >
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}) as <T>(props: RowProps<T>) => React.ReactNode;

type PhoneRowProps<T> = { row: T; index: number; top: number; total: number; columns: readonly Column<T>[] };

function PhoneRow<T>({ row, index, top, total, columns }: PhoneRowProps<T>) {
  const at = (place: Column<T>['phone']) => columns.filter((column) => column.phone === place);
  return (
    <div
      role="listitem"
      aria-setsize={total}
      aria-posinset={index + 1}
      data-row={index}
      className="absolute inset-x-0 flex flex-col justify-center gap-0.5 border-b border-line px-4 text-sm"
      style={{ height: HEIGHT.phone, transform: `translateY(${top}px)` }}
    >
      <div className="flex items-center justify-between gap-3">
        <span className="min-w-0 truncate py-1 font-medium">
          {at('name').map((column) => column.cell(row))}
        </span>
        {at('status').map((column) => (
          <span key={column.id} className="shrink-0">
            {column.cell(row)}
          </span>
        ))}
      </div>
      <div className="flex justify-between gap-3 text-xs text-ink-2">
        {at('fact').map((column) => (
          <span key={column.id} className="min-w-0 truncate">
            {column.cell(row)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** Which columns have no room in this window. */
function useHidden(): (column: { hides?: 0 | 1 | 2 | 3 }) => boolean {
  const narrow = {
    0: useMedia('(max-width: 1519.98px)'),
    1: useMedia('(max-width: 1319.98px)'),
    2: useMedia('(max-width: 1099.98px)'),
    3: useMedia('(max-width: 819.98px)'),
  };
  return ({ hides }) => hides !== undefined && narrow[hides];
}

/** Moves the focus to the link of the next or previous row, drawing it first if it is out of sight. */
function useRowFocus(
  scroller: React.RefObject<HTMLElement | null>,
  count: number,
  show: (index: number) => void,
) {
  const [wanted, setWanted] = useState<number | null>(null);
  useEffect(() => {
    if (wanted === null) return;
    const frame = requestAnimationFrame(() => {
      scroller.current?.querySelector<HTMLElement>(`[data-row="${wanted}"] :is(a, button)`)?.focus();
      setWanted(null);
    });
    return () => cancelAnimationFrame(frame);
  }, [wanted, scroller]);
  return useCallback(
    (by: number) => {
      const row = document.activeElement?.closest<HTMLElement>('[data-row]');
      const from = row && scroller.current?.contains(row) ? Number(row.dataset.row) : by > 0 ? -1 : count;
      const to = Math.min(count - 1, Math.max(0, from + by));
      if (count === 0) return;
      show(to);
      setWanted(to);
    },
    [count, show, scroller],
  );
}

/** «503 accounts», said again when it changes. */
export function Count({
  children,
  shown,
  total,
}: {
  children: (text: string) => string;
  shown: number;
  total?: number | null;
}) {
  const text = total == null ? formatNumber(shown) : formatNumber(total);
  return (
    <p aria-live="polite" className="numeric text-sm text-ink-2">
      {children(text)}
    </p>
  );
}
