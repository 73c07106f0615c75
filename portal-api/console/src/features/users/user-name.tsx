import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { SubjectLink } from '#/features/audit/subject-link';
import { useMay } from '#/features/session/queries';
import { LINK } from '#/ui/link';
import { userQuery } from './queries';

/** Somebody by id: their name and page for those who may see users. */
export function UserName({ id }: { id: string }) {
  const may = useMay();
  const user = useQuery({ ...userQuery(id), enabled: may('users.read') }).data;
  if (!user) return <SubjectLink id={id} />;
  return (
    <Link to="/users/$id" params={{ id }} className={LINK}>
      {user.name}
    </Link>
  );
}
