import { Page } from './page';
import { QueryView, type View } from './query-view';
import { EmptyState } from './states';
import { type Column, Table } from './table';

type ListPageProps<T> = {
  title: string;
  /** How many there are, in words. */
  counted: (count: number) => string;
  /** Above the list: the way to its neighbours. */
  nav: React.ReactNode;
  query: View<{ items: readonly T[] }>;
  /** What is being loaded, for screen readers. */
  loading: string;
  empty: { title: string; text: string };
  /** Makes one more; also what an empty list offers. */
  add: React.ReactNode;
  columns: readonly Column<T>[];
};

/** A page that is one list, which the server gives whole. */
export function ListPage<T extends { id: string }>(props: ListPageProps<T>) {
  const { title, counted, nav, query, loading, empty, add, columns } = props;
  return (
    <Page
      fill
      title={title}
      aside={
        query.data && <span className="numeric text-sm text-ink-2">{counted(query.data.items.length)}</span>
      }
      actions={add}
    >
      {nav}
      <div className="relative flex min-h-0 flex-1 flex-col overflow-hidden rounded-panel border border-line bg-surface">
        <QueryView query={query} loading={loading} skeletonRows={6}>
          {({ items }) =>
            items.length === 0 ? (
              <EmptyState title={empty.title} text={empty.text} action={add} />
            ) : (
              <Table
                label={title}
                columns={columns}
                rows={items}
                idOf={(one) => one.id}
                total={items.length}
              />
            )
          }
        </QueryView>
      </div>
    </Page>
  );
}
