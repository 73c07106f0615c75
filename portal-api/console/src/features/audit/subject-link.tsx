import { Link } from '@tanstack/react-router';
import { cut } from '#/ui/id';
import { LINK } from '#/ui/link';

const PAGES = {
  usr: '/users/$id',
  grp: '/groups/$id',
  key: '/keys/$id',
  acc: '/accounts/$id',
  ctc: '/contacts/$id',
  con: '/connections/$id',
  map: '/mappings/$id',
  sch: '/schedules/$id',
  run: '/runs/$id',
  idp: '/identity-providers/$id',
  dom: '/domains/$id',
  brd: '/brands/$id',
  tea: '/teams/$id',
  ptn: '/partners/$id',
  ers: '/erasures/$id',
} as const;

/** An id that leads to its page, where it has one. */
export function SubjectLink({ id }: { id: string }) {
  const prefix = id.split('_')[0] ?? '';
  const code = <code className="font-mono text-xs">{cut(id)}</code>;
  if (!(prefix in PAGES)) return id === '' ? null : <span title={id}>{code}</span>;
  return (
    <Link to={PAGES[prefix as keyof typeof PAGES]} params={{ id }} title={id} className={LINK}>
      {code}
    </Link>
  );
}
