import { createFileRoute } from '@tanstack/react-router';
import { Permitted } from '#/app/permitted';
import { ExportForm, ExportList } from '#/features/privacy/exports';
import { PrivacyNav } from '#/features/privacy/privacy-nav';
import { compact, textParam } from '#/lib/search';
import { useWords } from '#/lib/words';
import { Page } from '#/ui/page';

export const Route = createFileRoute('/_app/subject-exports')({
  validateSearch: (search): { contact?: string } => ({ contact: textParam(search.contact) }),
  component: ExportsPage,
});

function ExportsPage() {
  const t = useWords();
  const { contact = '' } = Route.useSearch();
  const navigate = Route.useNavigate();
  return (
    <Permitted needs="privacy.manage" title={t('exports.title')}>
      <Page title={t('exports.title')}>
        <PrivacyNav />
        <div className="grid grid-cols-[minmax(300px,2fr)_minmax(0,3fr)] items-start gap-4 max-lg:grid-cols-1">
          <ExportForm
            contact={contact}
            onContact={(next) =>
              void navigate({ search: compact({ contact: next }), replace: true, resetScroll: false })
            }
          />
          <ExportList />
        </div>
      </Page>
    </Permitted>
  );
}
