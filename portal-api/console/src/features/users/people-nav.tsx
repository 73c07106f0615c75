import { useWords } from '#/lib/words';
import { SubNav } from '#/ui/sub-nav';

/** Users, groups and roles: three ways to look at who may do what. */
export function PeopleNav() {
  const t = useWords();
  return (
    <SubNav
      label={t('users.parts')}
      parts={[
        { to: '/users', label: t('users.title') },
        { to: '/groups', label: t('groups.title') },
        { to: '/roles', label: t('roles.title') },
      ]}
    />
  );
}
