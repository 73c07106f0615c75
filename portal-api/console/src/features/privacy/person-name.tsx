import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { toProblem } from '#/api/problem';
import type { Entity, Erasure } from '#/api/types';
import { personName } from '#/features/records/queries';
import { useMay } from '#/features/session/queries';
import { userQuery } from '#/features/users/queries';
import { UserName } from '#/features/users/user-name';
import { useWords } from '#/lib/words';
import { cut } from '#/ui/id';
import { LINK } from '#/ui/link';
import { personQuery } from './queries';
import './words';
import { textOf } from '#/ui/value';

/** The contact of a request. Of who is erased nobody is left to be asked for. */
export function usePerson(
  contact: string | null | undefined,
  isErased = false,
): { name?: string; isGone: boolean; person?: Entity } {
  const query = useQuery({ ...personQuery(contact ?? ''), enabled: !isErased && contact != null });
  const fields = query.data?.fields;
  const name = fields && personName(textOf(fields.first_name), textOf(fields.last_name));
  const isGone = isErased || (query.error !== null && toProblem(query.error).slug === 'not-found');
  return { name: name || undefined, isGone, person: query.data };
}

/** Whether a request has left nothing of its person. */
export function isErased(erasure: Erasure): boolean {
  return erasure.state === 'done' && erasure.kind === 'erase';
}

type NameProps = { contact: string; isErased?: boolean; link?: boolean };

/** Their name and page, or that nobody is there any more. */
export function PersonName({ contact, isErased, link = true }: NameProps) {
  const t = useWords();
  const { name, isGone } = usePerson(contact, isErased);
  if (isGone) return <span className="text-ink-2">{t('privacy.forgotten')}</span>;
  if (!link) return <span>{name ?? cut(contact)}</span>;
  return (
    <Link to="/contacts/$id" params={{ id: contact }} className={LINK}>
      {name ?? cut(contact)}
    </Link>
  );
}

/** Of whom a request is: a contact, or somebody who signs in. */
export function SubjectName({ erasure, link = true }: { erasure: Erasure; link?: boolean }) {
  const t = useWords();
  if (erasure.contact_id != null)
    return <PersonName contact={erasure.contact_id} isErased={isErased(erasure)} link={link} />;
  if (erasure.state === 'done' || erasure.user_id == null)
    return <span className="text-ink-2">{t('privacy.forgotten_user')}</span>;
  if (!link) return <UserText id={erasure.user_id} />;
  return <UserName id={erasure.user_id} />;
}

/** Their name, where a link stands around it. */
function UserText({ id }: { id: string }) {
  const may = useMay();
  const user = useQuery({ ...userQuery(id), enabled: may('users.read') }).data;
  return <span>{user?.name ?? cut(id)}</span>;
}
