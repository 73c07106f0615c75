import { useMay } from '#/features/session/queries';
import { useWords } from '#/lib/words';
import { SubNav } from '#/ui/sub-nav';

/** What an organization is: what it uses, where its people sign in, under which names it is reached, how it looks. */
export function OrganisationNav() {
  const t = useWords();
  const may = useMay();
  const parts = [
    { to: '/usage', label: t('usage.title'), needs: 'hub.read' },
    { to: '/identity-providers', label: t('providers.title'), needs: 'hub.configure' },
    { to: '/domains', label: t('domains.title'), needs: 'hub.configure' },
    { to: '/brands', label: t('brands.title'), needs: 'hub.read' },
  ] as const;
  return <SubNav label={t('organisation.parts')} parts={parts.filter((part) => may(part.needs))} />;
}
