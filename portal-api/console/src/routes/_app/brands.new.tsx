import { useQueryClient } from '@tanstack/react-query';
import { createFileRoute, Link } from '@tanstack/react-router';
import { BrandForm } from '#/features/brands/brand-form';
import { USUAL } from '#/features/brands/colours';
import { brandQuery, createBrand } from '#/features/brands/queries';
import { Permitted } from '#/features/organisation/permitted';
import { useWords } from '#/lib/words';
import { buttonLook } from '#/ui/button';
import { LINK } from '#/ui/link';
import { Page } from '#/ui/page';
import { Panel } from '#/ui/panel';
import { toast } from '#/ui/toast';

export const Route = createFileRoute('/_app/brands/new')({ component: NewBrandPage });

function NewBrandPage() {
  const t = useWords();
  const navigate = Route.useNavigate();
  const client = useQueryClient();
  return (
    <Permitted needs="hub.configure" title={t('brands.add')}>
      <Page
        title={t('brands.add')}
        up={
          <Link to="/brands" className={LINK}>
            {t('brands.title')}
          </Link>
        }
      >
        <Panel className="max-w-180">
          <BrandForm
            mayEdit
            isNew
            brand={USUAL}
            logo={null}
            save={createBrand}
            onSaved={async (brand) => {
              toast({ text: t('brands.is_created', { name: brand.name }) });
              client.setQueryData(brandQuery(brand.id).queryKey, brand);
              await client.invalidateQueries({ queryKey: ['brands', 'list'] });
              await navigate({ to: '/brands/$id', params: { id: brand.id } });
            }}
            submit={t('brands.create')}
          >
            <Link to="/brands" className={buttonLook('quiet')}>
              {t('ui.cancel')}
            </Link>
          </BrandForm>
        </Panel>
      </Page>
    </Permitted>
  );
}
