import { useMay } from '#/features/session/queries';
import '#/features/teams/words';
import { useWords } from '#/lib/words';
import { SubNav } from '#/ui/sub-nav';

const PARTS = [
  { to: '/users', word: 'users.title', needs: 'users.read' },
  { to: '/groups', word: 'groups.title', needs: 'users.read' },
  { to: '/roles', word: 'roles.title', needs: 'users.read' },
  { to: '/teams', word: 'teams.title', needs: 'teams.read' },
  { to: '/partners', word: 'partners.title', needs: 'teams.read' },
  { to: '/assignments', word: 'transfer.title', needs: 'teams.manage' },
] as const;

/** Users, groups and roles, teams and partners: who may do what, and who looks after which accounts. */
export function PeopleNav() {
  const t = useWords();
  const may = useMay();
  return (
    <SubNav
      label={t('users.parts')}
      parts={PARTS.filter((part) => may(part.needs)).map(({ to, word }) => ({ to, label: t(word) }))}
    />
  );
}
