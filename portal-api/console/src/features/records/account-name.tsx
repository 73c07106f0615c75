import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { cut } from '#/ui/id';
import { LINK } from '#/ui/link';
import { textOf } from '#/ui/value';
import { recordQuery } from './queries';

/** An account by its id: its name and page. */
export function AccountName({ id }: { id: string }) {
  const account = useQuery(recordQuery('accounts', id)).data;
  return (
    <Link to="/accounts/$id" params={{ id }} className={LINK}>
      {account ? textOf(account.fields.name) : cut(id)}
    </Link>
  );
}
