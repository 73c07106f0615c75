import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { toProblem } from '#/api/problem';
import type { Entity } from '#/api/types';
import { personName, recordQuery } from '#/features/records/queries';
import { useWords } from '#/lib/words';
import { cut } from '#/ui/id';
import { LINK } from '#/ui/link';
import './words';
import { textOf } from '#/ui/value';

/** The contact of a request, which is no more once it is forgotten. */
export function usePerson(contact: string): { name?: string; isGone: boolean; person?: Entity } {
  const query = useQuery({ ...recordQuery('contacts', contact), retry: false });
  const fields = query.data?.fields;
  const name = fields && personName(textOf(fields.first_name), textOf(fields.last_name));
  const isGone = query.error !== null && toProblem(query.error).slug === 'not-found';
  return { name: name || undefined, isGone, person: query.data };
}

/** Their name and page, or that nobody is there any more. */
export function PersonName({ contact, link = true }: { contact: string; link?: boolean }) {
  const t = useWords();
  const { name, isGone } = usePerson(contact);
  if (isGone) return <span className="text-ink-2">{t('privacy.forgotten')}</span>;
  if (!link) return <span>{name ?? cut(contact)}</span>;
  return (
    <Link to="/contacts/$id" params={{ id: contact }} className={LINK}>
      {name ?? cut(contact)}
    </Link>
  );
}
